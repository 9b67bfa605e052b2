"""A web server over TLS and a mail server with STARTTLS, for the tests: tls_server.py CERTIFICATE KEY MAILS

Prints the two ports. What the mail server is told over TLS goes to the file MAILS, a line each.
"""

import http.server
import socketserver
import ssl
import sys
import threading

certificate, key, mails = sys.argv[1:]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate, key)


class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        status = 200 if self.path == "/good" else 503
        self.send_response(status)
        self.send_header("Content-Length", "4")
        self.end_headers()
        self.wfile.write(b"body")

    def log_message(self, *_):
        pass


class Mailbox(socketserver.BaseRequestHandler):
    def handle(self):
        sock, secure, data = self.request, False, False
        lines = sock.makefile("rb")
        sock.sendall(b"220 sink\r\n")
        while line := lines.readline():
            line = line.decode().rstrip("\r\n")
            word = line.upper().split(" ")[0]
            if secure and word not in ("EHLO", "QUIT"):
                with open(mails, "a") as out:
                    out.write(line + "\n")
            if data:
                data = line != "."
                if not data:
                    sock.sendall(b"250 taken\r\n")
            elif word == "EHLO":
                more = b"250 AUTH PLAIN\r\n" if secure else b"250 STARTTLS\r\n"
                sock.sendall(b"250-sink\r\n" + more)
            elif word == "STARTTLS":
                sock.sendall(b"220 go on\r\n")
                sock = context.wrap_socket(sock, server_side=True)
                lines, secure = sock.makefile("rb"), True
            elif word == "AUTH":
                sock.sendall(b"235 welcome\r\n")
            elif word == "DATA":
                sock.sendall(b"354 go on\r\n")
                data = True
            elif word == "QUIT":
                sock.sendall(b"221 bye\r\n")
                return
            else:
                sock.sendall(b"250 ok\r\n")


class Threads(socketserver.ThreadingTCPServer):
    daemon_threads = True

    def handle_error(self, *_):
        pass


web = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
web.socket = context.wrap_socket(web.socket, server_side=True)
web.handle_error = lambda *_: None
mail = Threads(("127.0.0.1", 0), Mailbox)
threading.Thread(target=mail.serve_forever, daemon=True).start()
print(web.server_address[1], mail.server_address[1], flush=True)
web.serve_forever()
