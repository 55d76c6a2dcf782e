"""A requestor with the TLS of OpenSSL: requestor.py PORT CA CERT|- KEY VERSION. Says in JSON what it saw."""

import json
import socket
import ssl
import struct
import sys

port, ca, cert, key, version = sys.argv[1:]
COOKIE = bytes([99, 130, 83, 99])


def message(kind, xid):
    body = struct.pack("!BBBBI", 1, 0, 0, 0, xid) + bytes(228) + COOKIE + bytes([53, 1, kind, 255])
    return struct.pack("!H", len(body)) + body


sock = socket.create_connection(("127.0.0.1", int(port)), 10)
sock.sendall(message(18, 1))
prefix = sock.recv(2, socket.MSG_WAITALL)
answer = sock.recv(struct.unpack("!H", prefix)[0], socket.MSG_WAITALL)
assert answer[240:243] == bytes([53, 1, 18]), answer

context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.load_verify_locations(ca)
if cert != "-":
    context.load_cert_chain(cert, key)
context.minimum_version = context.maximum_version = getattr(ssl.TLSVersion, version)
incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
tls = context.wrap_bio(incoming, outgoing, server_hostname="127.0.0.1")
raw = b""


def turn(action):
    """Does something, as often as it takes, and carries the octets that it needs."""
    global raw
    while True:
        try:
            result = action()
            sock.sendall(outgoing.read())
            return result
        except ssl.SSLWantReadError:
            sock.sendall(outgoing.read())
            octets = sock.recv(65536)
            if not octets:
                raise EOFError("closed")
            raw += octets
            incoming.write(octets)


try:
    turn(tls.do_handshake)
    raw = b""
    turn(lambda: tls.write(message(14, 2)))
    plain = b""
    messages = []
    while not messages or messages[-1][242] != 15:
        plain += turn(lambda: tls.read(65536))
        while len(plain) >= 2 and len(plain) >= 2 + struct.unpack("!H", plain[:2])[0]:
            length = struct.unpack("!H", plain[:2])[0]
            messages.append(plain[2 : 2 + length])
            plain = plain[2 + length :]
    records = []
    while raw:
        kind, _, length = struct.unpack("!BHH", raw[:5])
        records.append(length)
        raw = raw[5 + length :]
    print(json.dumps({"cipher": tls.cipher()[0], "messages": [len(m) for m in messages], "records": records}))
except (ssl.SSLError, EOFError, ConnectionError) as error:
    print(json.dumps({"error": str(error)}))
