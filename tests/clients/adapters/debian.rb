# debian.rb PORT [USER PASSWORD]: for each call that stands on a line of standard input, as JSON, its answer on a line
# of standard output. Ruby's XMLRPC::Client does the talking.
require "json"
require "xmlrpc/client"

port, user, password = ARGV
client = XMLRPC::Client.new3(host: "127.0.0.1", port: port.to_i, path: "/RPC2", user: user, password: password)
$stdout.sync = true
$stdin.each_line do |line|
  asked = JSON.parse(line)
  answer =
    begin
      well, value = client.call2(asked["method"], *asked["args"])
      well ? { value: value } : { fault: [value.faultCode, value.faultString] }
    rescue StandardError => error
      { error: "#{error.class}: #{error.message}" }
    end
  puts JSON.generate(answer)
end
