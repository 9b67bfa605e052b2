"""python_rpc.py KIND ADDRESS [USER PASSWORD]: for each call that stands on a line of standard input, as JSON, its
answer on a line of standard output.

KIND says which client of Python's does the talking: `tcp` and `unix` are xmlrpc.client (which has no unix sockets of
its own: http.client's connection is pointed at one), `transport` is the transport of the reference's supervisorctl.
"""

import base64
import http.client
import json
import socket
import sys
import xmlrpc.client


class UnixConnection(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.connect(self.path)


class UnixTransport(xmlrpc.client.Transport):
    def __init__(self, path, headers):
        super().__init__(headers=headers)
        self.path = path

    def make_connection(self, host):
        if not self._connection[1]:
            connection = UnixConnection("localhost")
            connection.path = self.path
            self._connection = host, connection
        return self._connection[1]


def connect(kind, address, login):
    if kind == "tcp":
        word = "{}:{}@".format(*login) if login else ""
        return xmlrpc.client.ServerProxy("http://{}{}/RPC2".format(word, address))
    if kind == "unix":
        headers = []
        if login:
            word = base64.b64encode(":".join(login).encode()).decode()
            headers.append(("Authorization", "Basic " + word))
        return xmlrpc.client.ServerProxy("http://localhost/RPC2", transport=UnixTransport(address, headers))
    from supervisor.xmlrpc import SupervisorTransport

    transport = SupervisorTransport(*(login or (None, None)), serverurl=address)
    return xmlrpc.client.ServerProxy("http://127.0.0.1", transport)


def ask(server, method, args):
    call = server
    for word in method.split("."):
        call = getattr(call, word)
    try:
        return {"value": call(*args)}
    except xmlrpc.client.Fault as fault:
        return {"fault": [fault.faultCode, fault.faultString]}
    except xmlrpc.client.ProtocolError as error:
        return {"error": "HTTP {} {}".format(error.errcode, error.errmsg)}
    except Exception as error:
        return {"error": "{}: {}".format(type(error).__name__, error)}


def main():
    kind, address, *login = sys.argv[1:]
    server = connect(kind, address, login)
    for line in sys.stdin:
        asked = json.loads(line)
        print(json.dumps(ask(server, asked["method"], asked["args"])), flush=True)


main()
