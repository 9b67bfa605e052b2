"""reload.py URL AUTHORITY COUNT: connections that stay while the server's certificate becomes another one."""

import hashlib
import http.client
import ssl
import sys
import urllib.parse

BODY = b"<?xml version='1.0'?><methodCall><methodName>supervisor.getState</methodName></methodCall>"


def connect(place, context):
    connection = http.client.HTTPSConnection(place.hostname, place.port, timeout=60, context=context)
    connection.connect()
    # From now on it is this connection or none.
    connection.auto_open = 0
    return connection


def ask(connection):
    connection.request("POST", "/RPC2", BODY, {"Content-Type": "text/xml"})
    answer = connection.getresponse()
    body = answer.read()
    assert answer.status == 200 and b"RUNNING" in body, (answer.status, body)
    assert connection.sock is not None, "the server has closed it"


def shown(connection):
    return hashlib.sha256(connection.sock.getpeercert(binary_form=True)).hexdigest()


def main():
    place, authority, count = urllib.parse.urlsplit(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    context = ssl.create_default_context(cafile=authority)
    connections = [connect(place, context) for _ in range(count)]
    for connection in connections:
        ask(connection)
    before = {shown(connection) for connection in connections}
    print("before", *before, flush=True)
    # All are asked at each line that comes, and one new connection.
    for line in sys.stdin:
        for connection in connections:
            ask(connection)
        assert {shown(connection) for connection in connections} == before
        new = connect(place, context)
        ask(new)
        print(line.strip(), shown(new), flush=True)
        new.close()
    for connection in connections:
        ask(connection)
    print("all answered", flush=True)


if __name__ == "__main__":
    main()
