"""aioquic judges HTTP/3: python3 aioquic_h3.py PORT CERTIFICATE. Prints a line a check; exit code 1 when one failed.

First what a client may do, then what none may: each on a connection of its own, with a bystander whose connection has to live.
"""
import asyncio
import hashlib
import json
import sys

import pylsqpack
from aioquic.buffer import encode_uint_var
from aioquic.h3.connection import ErrorCode, FrameType, Setting, encode_frame, encode_settings
from aioquic.quic.packet import QuicProtocolVersion
from aioquic.tls import CipherSuite

from aioquic_client import PATIENCE, Client, RawClient, client

port, certificate = int(sys.argv[1]), sys.argv[2]
failed = 0


def connection(**more):
    return client(port, certificate, **more)


async def check(name, made, patience=PATIENCE):
    global failed
    try:
        await asyncio.wait_for(made, patience)
        print(f"ok    {name}", flush=True)
    except (Exception, asyncio.CancelledError) as e:
        failed += 1
        print(f"FAIL  {name}: {type(e).__name__} {e}", flush=True)


def equal(got, want, what=""):
    assert got == want, f"{what}: wanted {want!r}, got {got!r}"


def counted(n):
    lines = b"".join(b"%015d\n" % i for i in range((n + 15) // 16))
    return lines[:n]


# --- what a client may do --------------------------------------------------------------------------------------


async def a_value():
    async with connection() as c:
        a = await c.call("GET", "/users/42")
        equal((a.status, bytes(a.body), a.field("content-type")), (200, b'{"id":"42"}', "application/json"))
        a = await c.call("GET", "/users/a%20b%2F%C3%BC")
        equal(json.loads(a.body)["id"], "a b/ü")


async def methods():  # without HEAD: aioquic wants the content of which it is told the length
    async with connection() as c:
        equal((await c.call("GET", "/nowhere")).status, 404)
        a = await c.call("DELETE", "/users/42")
        equal(a.status, 405)
        assert "GET" in a.field("allow"), a.fields


async def echoes():
    async with connection() as c:
        for n in (0, 1, 16384, 1 << 20):
            body = counted(n)
            a = await c.call("POST", "/echo", [("content-type", "application/octet-stream")], body)
            equal((a.status, hashlib.sha256(a.body).digest()), (200, hashlib.sha256(body).digest()), n)


async def in_pieces():
    async with connection() as c:
        stream = c.begin("POST", "/echo", [("content-type", "text/plain")])
        for piece in (b"one ", b"", b"two ", b"three"):
            c.h3.send_data(stream, piece, end_stream=False)
            c.transmit()
        c.h3.send_headers(stream, [(b"x-sum", b"3")], end_stream=True)  # trailers
        a = await c.answer(stream)
        equal((a.status, bytes(a.body)), (200, b"one two three"))


async def a_download():
    async with connection() as c:
        a = await c.call("GET", "/bytes/5000000")
        equal(hashlib.sha256(a.body).digest(), hashlib.sha256(counted(5000000)).digest())


async def many():
    async with connection() as c:
        streams = [c.begin("GET", f"/users/{i}", end=True) for i in range(200)]
        for i, s in enumerate(streams):
            equal(json.loads((await c.answer(s)).body)["id"], str(i))


async def given_up():
    async with connection() as c:
        stream = c.begin("GET", "/bytes/100000000", end=True)
        c.transmit()
        while not c.answers[stream].body:
            await asyncio.wait_for(c.ping(), PATIENCE)
        c._quic.stop_stream(stream, ErrorCode.H3_REQUEST_CANCELLED)
        await c.answer(stream)
        equal(c.answers[stream].reset, ErrorCode.H3_REQUEST_CANCELLED)
        equal((await c.call("GET", "/users/1")).status, 200)


async def greased():
    async with connection() as c:
        for kind in (0x21, 0x21 + 0x1F * 7):  # streams of no known type
            stream = c._quic.get_next_available_stream_id(is_unidirectional=True)
            c._quic.send_stream_data(stream, encode_uint_var(kind) + b"whatever")
        stream = c.begin("POST", "/echo", [("content-type", "text/plain")])
        c.raw(stream, encode_frame(0x21 + 0x1F * 3, b"grease"))
        c.h3.send_data(stream, b"body", end_stream=True)
        a = await c.answer(stream)
        equal((a.status, bytes(a.body)), (200, b"body"))


async def keys_and_ids():
    async with connection() as c:
        # Once: aioquic does not wait for a confirmation before it changes keys again, as RFC 9001 6.1 wants.
        c._quic.request_key_update()
        equal((await c.call("GET", "/users/1")).status, 200)
        for i in range(3):
            c._quic.change_connection_id()
            equal((await c.call("GET", f"/users/{i}")).status, 200)


async def version_2():
    v2 = QuicProtocolVersion.VERSION_2
    async with connection(original_version=v2, supported_versions=[v2]) as c:
        equal(c._quic._version, v2)
        equal((await c.call("GET", "/users/2")).status, 200)


async def ciphers():
    for suite in (CipherSuite.AES_128_GCM_SHA256, CipherSuite.AES_256_GCM_SHA384, CipherSuite.CHACHA20_POLY1305_SHA256):
        async with connection(cipher_suites=[suite]) as c:
            equal(c._quic.tls.key_schedule.cipher_suite, suite)
            equal((await c.call("GET", "/users/2")).status, 200)


async def early_data():
    async with connection() as c:
        equal((await c.call("GET", "/users/1")).status, 200)
        while not c.tickets:
            await asyncio.wait_for(c.ping(), PATIENCE)
        ticket = c.tickets[0]
    async with connection(ticket=ticket, wait=False) as c:
        get, post = c.begin("GET", "/users/7", end=True), c.begin("POST", "/echo")
        c.h3.send_data(post, b"twice?", end_stream=True)
        equal((await c.answer(get)).status, 200)
        equal((await c.answer(post)).status, 425, "what is not safe")
        assert c.handshake.session_resumed and c.handshake.early_data_accepted, c.handshake


# --- what no client may ----------------------------------------------------------------------------------------


def fields(*more, method=b"GET", path=b"/users/1", pseudo=None):
    if pseudo is None:
        pseudo = [(b":method", method), (b":scheme", b"https"), (b":authority", b"localhost"), (b":path", path)]
    return pseudo + list(more)


def headers(*args, **kw):
    _, block = pylsqpack.Encoder().encode(0, fields(*args, **kw))
    return encode_frame(FrameType.HEADERS, block)


def uni(c, data, end=False):
    stream = c._quic.get_next_available_stream_id(is_unidirectional=True)
    c.raw(stream, data, end)
    return stream


def bidi(c, data, end=False):
    stream = c._quic.get_next_available_stream_id()
    c.raw(stream, data, end)
    return stream


GOOD = {Setting.QPACK_MAX_TABLE_CAPACITY: 4096, Setting.QPACK_BLOCKED_STREAMS: 16}
control = encode_uint_var(0) + encode_frame(FrameType.SETTINGS, encode_settings(GOOD))
ENCODER, DECODER = encode_uint_var(2), encode_uint_var(3)


def settled(c):
    return uni(c, control)


def after_settings(fn):
    def act(c):
        settled(c)
        fn(c)
    return act


def on_control(frame):
    return lambda c: c.raw(settled(c), frame)


def request(data, end=True):
    return after_settings(lambda c: bidi(c, data, end))


def flood(c):
    settled(c)
    for _ in range(1500):
        stream = c._quic.get_next_available_stream_id()
        c._quic.send_stream_data(stream, headers(path=b"/slow/5000"))
        c._quic.reset_stream(stream, ErrorCode.H3_REQUEST_CANCELLED)
        if stream % 64 == 0:
            c.transmit()
    c.transmit()


E = ErrorCode
FORBIDDEN = [
    ("DATA before HEADERS", E.H3_FRAME_UNEXPECTED, request(encode_frame(FrameType.DATA, b"x"))),
    ("SETTINGS on a request's stream", E.H3_FRAME_UNEXPECTED, request(encode_frame(FrameType.SETTINGS, b""))),
    ("GOAWAY on a request's stream", E.H3_FRAME_UNEXPECTED, request(encode_frame(FrameType.GOAWAY, b"\0"))),
    ("a frame of HTTP/2", E.H3_FRAME_UNEXPECTED, on_control(encode_frame(0x6, b"12345678"))),
    ("HEADERS after trailers", E.H3_FRAME_UNEXPECTED, request(
        headers(method=b"POST", path=b"/echo") + encode_frame(FrameType.DATA, b"x") +
        2 * encode_frame(FrameType.HEADERS, pylsqpack.Encoder().encode(0, [(b"x", b"y")])[1]))),
    ("SETTINGS twice", E.H3_FRAME_UNEXPECTED, on_control(encode_frame(FrameType.SETTINGS, b""))),
    ("DATA on the control stream", E.H3_FRAME_UNEXPECTED, on_control(encode_frame(FrameType.DATA, b"x"))),
    ("HEADERS on the control stream", E.H3_FRAME_UNEXPECTED, on_control(headers())),
    ("no SETTINGS first", E.H3_MISSING_SETTINGS, lambda c: uni(c, encode_uint_var(0) + encode_frame(0x21, b"grease"))),
    ("a setting of HTTP/2", E.H3_SETTINGS_ERROR, lambda c: uni(
        c, encode_uint_var(0) + encode_frame(FrameType.SETTINGS, encode_settings({0x4: 65535})))),
    ("SETTINGS cut short", E.H3_FRAME_ERROR, lambda c: uni(
        c, encode_uint_var(0) + encode_frame(FrameType.SETTINGS, b"\x40"))),
    ("a second control stream", E.H3_STREAM_CREATION_ERROR, lambda c: (settled(c), uni(c, control))),
    ("two encoder streams", E.H3_STREAM_CREATION_ERROR, lambda c: (settled(c), uni(c, ENCODER), uni(c, ENCODER))),
    ("a push stream", E.H3_STREAM_CREATION_ERROR, lambda c: (settled(c), uni(c, encode_uint_var(1) + b"\0"))),
    ("the control stream ends", E.H3_CLOSED_CRITICAL_STREAM, lambda c: uni(c, control, end=True)),
    ("the encoder stream ends", E.H3_CLOSED_CRITICAL_STREAM, lambda c: (settled(c), uni(c, ENCODER, end=True))),
    ("the control stream is reset", E.H3_CLOSED_CRITICAL_STREAM, lambda c: (
        c._quic.reset_stream(settled(c), 0), c.transmit())),
    # RFC 9114 wants H3_ID_ERROR of these two; nghttp3 ends the connection with codes of its own choice.
    ("MAX_PUSH_ID goes back", E.H3_FRAME_ERROR, on_control(
        encode_frame(FrameType.MAX_PUSH_ID, b"\x08") + encode_frame(FrameType.MAX_PUSH_ID, b"\x07"))),
    ("CANCEL_PUSH of nothing", E.H3_FRAME_UNEXPECTED, on_control(encode_frame(FrameType.CANCEL_PUSH, b"\x09"))),
    ("a request cut short in a frame", E.H3_FRAME_ERROR, request(headers()[:-3])),
    ("no :path", E.H3_MESSAGE_ERROR, request(headers(pseudo=[(b":method", b"GET"), (b":scheme", b"https")]))),
    (":method twice", E.H3_MESSAGE_ERROR, request(headers(pseudo=[(b":method", b"GET")] + fields()))),
    ("a pseudo-field that there is not", E.H3_MESSAGE_ERROR, request(headers(pseudo=fields() + [(b":who", b"me")]))),
    ("a pseudo-field behind a field", E.H3_MESSAGE_ERROR, request(
        headers(pseudo=[(b"a", b"b")] + fields()))),
    (":status in a request", E.H3_MESSAGE_ERROR, request(headers(pseudo=fields() + [(b":status", b"200")]))),
    ("a field in capitals", E.H3_MESSAGE_ERROR, request(headers((b"Accept", b"*/*")))),
    ("connection:", E.H3_MESSAGE_ERROR, request(headers((b"connection", b"close")))),
    ("transfer-encoding:", E.H3_MESSAGE_ERROR, request(headers((b"transfer-encoding", b"chunked")))),
    ("te: gzip", E.H3_MESSAGE_ERROR, request(headers((b"te", b"gzip")))),
    ("less content than told", E.H3_MESSAGE_ERROR, request(
        headers((b"content-length", b"9"), method=b"POST", path=b"/echo") + encode_frame(FrameType.DATA, b"x"))),
    ("more content than told", E.H3_MESSAGE_ERROR, request(
        headers((b"content-length", b"1"), method=b"POST", path=b"/echo") + encode_frame(FrameType.DATA, b"xyz"))),
    ("two lengths", E.H3_MESSAGE_ERROR, request(
        headers((b"content-length", b"1"), (b"content-length", b"2"), method=b"POST", path=b"/echo") +
        encode_frame(FrameType.DATA, b"x"))),
    ("fields that refer to nothing", E.QPACK_DECOMPRESSION_FAILED, request(
        encode_frame(FrameType.HEADERS, b"\x00\x00\x80"))),
    ("Huffman with a wrong end", E.QPACK_DECOMPRESSION_FAILED, request(
        encode_frame(FrameType.HEADERS, b"\x00\x00\x29\x00\x81\x00"))),
    ("a table larger than allowed", E.QPACK_ENCODER_STREAM_ERROR, lambda c: (
        settled(c), uni(c, ENCODER + b"\x3f\xe1\xff\xff\x03"))),
    ("a copy of nothing", E.QPACK_ENCODER_STREAM_ERROR, lambda c: (settled(c), uni(c, ENCODER + b"\x3f\xe1\x1f\x05"))),
    ("an acknowledgement of nothing", E.QPACK_DECODER_STREAM_ERROR, lambda c: (settled(c), uni(c, DECODER + b"\x80"))),
    ("insertions acknowledged that were none", E.QPACK_DECODER_STREAM_ERROR, lambda c: (
        settled(c), uni(c, DECODER + b"\x05"))),
    ("requests and resets without end", E.H3_EXCESSIVE_LOAD, flood),
]


async def forbidden(act, want, bystander):
    async with connection(protocol=RawClient) as c:
        act(c)
        code, reason = await c.ended()
        equal(ErrorCode(code) if code in set(ErrorCode) else code, want, reason)
    equal((await bystander.call("GET", "/users/1")).status, 200, "the bystander")


async def main():
    await check("a value, percent-encoding", a_value())
    await check("404, 405", methods())
    await check("0 to 1 MiB are echoed byte-exact", echoes())
    await check("content in pieces, and trailers", in_pieces())
    await check("5,000,000 bytes come down whole", a_download())
    await check("200 requests at once", many())
    await check("a download that is given up leaves the connection usable", given_up())
    await check("streams and frames of types that nobody knows are passed over", greased())
    await check("a key update, and other connection IDs", keys_and_ids())
    await check("QUIC version 2", version_2())
    await check("every cipher suite", ciphers())
    await check("resumption and 0-RTT: GET is answered, POST is too early", early_data())
    async with connection() as bystander:
        for name, want, act in FORBIDDEN:
            await check(f"{name}: {want.name}", forbidden(act, want, bystander), 30)
    print(f"aioquic: {failed} checks failed" if failed else "aioquic: all checks passed")
    sys.exit(1 if failed else 0)


asyncio.run(main())
