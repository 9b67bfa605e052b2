// npm.js PACKAGES LIBRARY ADDRESS [USER PASSWORD]: for each call that stands on a line of standard input, as JSON, its
// answer on a line of standard output. LIBRARY, installed below PACKAGES, does the talking.
"use strict";
const path = require("path");
const readline = require("readline");

const [packages, library, address, user, password] = process.argv.slice(2);
const load = (name) => require(path.join(packages, "node_modules", name));

/** A function (method, arguments, callback), or one that gives a promise; null where the library lacks the method. */
function connect() {
  if (library === "xmlrpc") {
    const [host, port] = address.split(":");
    const basic_auth = user && { user, pass: password };
    const client = load("xmlrpc").createClient({ host, port, path: "/RPC2", basic_auth });
    return () => (method, args, done) => client.methodCall(method, args, done);
  }
  if (library === "supervisord") {
    const login = user ? `${user}:${password}@` : "";
    const client = load("supervisord").connect(address.startsWith("unix:") ? address : `http://${login}${address}`);
    return named(client, (call, args, done) => call.call(client, ...args, done));
  }
  const { SupervisordClient } = load("node-supervisord");
  const client = new SupervisordClient(`http://${address}`, user && { username: user, password });
  return named(client, (call, args, done) =>
    call.call(client, ...args).then((value) => done(null, value), (error) => done(error)));
}

function named(client, run) {
  return (method) => {
    const call = client[method.split(".").pop()];
    return call ? (_, args, done) => run(call, args, done) : null;
  };
}

function answer(error, value) {
  if (!error) return { value };
  if (error.faultCode !== undefined) return { fault: [error.faultCode, error.faultString] };
  return { error: error.body ? `${error.message}: ${error.body}` : error.message };
}

const find = connect();
readline.createInterface({ input: process.stdin }).on("line", (line) => {
  const { method, args } = JSON.parse(line);
  const call = find(method);
  const say = (what) => process.stdout.write(JSON.stringify(what) + "\n");
  if (!call) return say({ absent: true });
  call(method, args, (error, value) => say(answer(error, value)));
}).on("close", () => process.exit(0));
