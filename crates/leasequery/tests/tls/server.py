"""A server with the TLS of OpenSSL, for one connection: server.py v4|v6 CERT KEY CA|- VERSION.

Says its port, then in JSON what it saw. It answers a bulk query with one lease. Without CA it asks for no certificate.
"""

import json
import socket
import ssl
import struct
import sys

protocol, cert, key, ca, version = sys.argv[1:]
COOKIE = bytes([99, 130, 83, 99])


def frame(body):
    return struct.pack("!H", len(body)) + body


def option(code, value):
    return struct.pack("!BB", code, len(value)) + value


def option6(code, value):
    return struct.pack("!HH", code, len(value)) + value


def v4(kind, xid, address, options=b""):
    body = struct.pack("!BBBBI", 2, 1, 6, 0, xid) + bytes(4) + socket.inet_aton(address) + bytes(16 + 4)
    body = body[:28] + bytes([2, 0, 0, 0, 0, 5]) + bytes(236 - 34) + COOKIE
    return frame(body + option(53, bytes([kind])) + options + b"\xff")


def v6(kind, xid, options=b""):
    return frame(struct.pack("!I", kind << 24 | xid) + options)


def read(stream):
    """A message: its type, its transaction id, and the client identifier of DHCPv6."""
    octets = b""
    while len(octets) < 2 or len(octets) < 2 + struct.unpack("!H", octets[:2])[0]:
        piece = stream.recv(1 if len(octets) < 2 else 2 + struct.unpack("!H", octets[:2])[0] - len(octets))
        if not piece:
            raise EOFError("closed" if not octets else "cut")
        octets += piece
    body = octets[2:]
    if protocol == "v4":
        assert body[240:242] == bytes([53, 1]), body
        return body[242], struct.unpack("!I", body[4:8])[0], b""
    (first,) = struct.unpack("!I", body[:4])
    options, client = body[4:], b""
    while options:
        code, length = struct.unpack("!HH", options[:4])
        client = options[4 : 4 + length] if code == 1 else client
        options = options[4 + length :]
    return first >> 24, first & 0xFFFFFF, client


def answer(xid, requestor):
    if protocol == "v4":
        times = option(152, struct.pack("!I", 1795168800)) + option(51, struct.pack("!I", 3600))
        return v4(13, xid, "10.0.0.5", times) + v4(15, xid, "0.0.0.0")
    lease = option6(5, socket.inet_pton(socket.AF_INET6, "2001:db8:1::10") + struct.pack("!II", 1800, 3600))
    client = option6(1, bytes.fromhex("00030001020000000001")) + option6(46, struct.pack("!I", 10)) + lease
    ids = option6(1, requestor) + option6(2, bytes.fromhex("00030001020000000003"))
    return v6(15, xid, ids + option6(45, client)) + v6(16, xid)


listener = socket.create_server(("127.0.0.1", 0))
listener.settimeout(20)
print(listener.getsockname()[1], flush=True)
seen = {}
try:
    connection, _ = listener.accept()
    connection.settimeout(20)
    kind, xid, _ = read(connection)
    seen["prelude"] = kind
    connection.sendall(v4(18, xid, "0.0.0.0") if protocol == "v4" else v6(7, xid))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    if ca != "-":
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(ca)
    context.minimum_version = context.maximum_version = getattr(ssl.TLSVersion, version)
    named = []
    context.sni_callback = lambda _, name, __: named.append(name)
    tls = context.wrap_socket(connection, server_side=True)
    seen["name"] = named[0]
    seen["cipher"] = tls.cipher()[0]
    seen["requestor"] = [name for _, name in (tls.getpeercert() or {}).get("subjectAltName", [])]
    seen["query"], xid, requestor = read(tls)
    tls.sendall(answer(xid, requestor))
    # The requestor says that nothing more will come, and so do we.
    seen["end"] = tls.recv(1).decode()
    tls.unwrap()
    seen["closed"] = True
except (ssl.SSLError, EOFError, OSError) as error:
    seen["error"] = str(error)
print(json.dumps(seen))
