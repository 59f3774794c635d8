"""aioquic judges WebTransport, of which it speaks draft 02: python3 aioquic_wt.py PORT CERTIFICATE FIFO. Prints a line a check; exit code 1
when one failed. Frames of herz/1 are made here as docs/protocol.md has them.

A word is written to FIFO when a session was closed with code 142 and reason "page done", and "drain" when the daemon may end.
"""
import asyncio
import struct
import sys

from aioquic.buffer import Buffer, encode_uint_var
from aioquic.h3.connection import FrameType, encode_frame
from aioquic.h3.events import DataReceived, DatagramReceived, HeadersReceived
from aioquic.quic.events import ConnectionTerminated, StopSendingReceived, StreamDataReceived, StreamReset

from aioquic_client import PATIENCE, Client, client

port, certificate, fifo = int(sys.argv[1]), sys.argv[2], sys.argv[3]
failed = 0

WEBTRANSPORT_SETTINGS = {0x8: 1, 0x33: 1, 0x2B603742: 1}
CLOSE, DRAIN = 0x2843, 0x78AE
CODE_FIRST = 0x52E4A40FA8DB  # application codes on the wire
BUFFERED_STREAM_REJECTED, SESSION_GONE = 0x3994BD84, 0x170D7B68
REQ, RES, DATA = 2, 3, 4


def on_wire(code):
    return CODE_FIRST + code + code // 0x1E


async def check(name, made):
    global failed
    try:
        await asyncio.wait_for(made, PATIENCE)
        print(f"ok    {name}", flush=True)
    except (Exception, asyncio.CancelledError) as e:
        failed += 1
        print(f"FAIL  {name}: {type(e).__name__} {e}", flush=True)


def equal(got, want, what=""):
    assert got == want, f"{what}: wanted {want!r}, got {got!r}"


def say(word):
    with open(fifo, "w") as f:
        f.write(word + "\n")


# --- herz/1 ----------------------------------------------------------------------------------------------------


def pack(v):
    if v is None:
        return b"\xc0"
    if isinstance(v, int):
        return bytes([v]) if v < 128 else b"\xce" + struct.pack(">I", v)
    if isinstance(v, str):
        return b"\xd9" + bytes([len(v.encode())]) + v.encode()
    if isinstance(v, bytes):
        return b"\xc6" + struct.pack(">I", len(v)) + v
    return bytes([0x90 + len(v)]) + b"".join(pack(e) for e in v)


def request(method, path, body=None):
    text = pack([REQ, 1, method, path, None, body])
    return b"\xca\xfe\x01" + struct.pack(">I", 1 + len(text)) + b"\0" + text


def unpack(buf):
    c = buf.pull_uint8()
    if c < 0x80:
        return c
    if c < 0x90:
        return {unpack(buf): unpack(buf) for _ in range(c & 15)}
    if c < 0xA0:
        return [unpack(buf) for _ in range(c & 15)]
    if c < 0xC0:
        return buf.pull_bytes(c & 31).decode()
    if c == 0xC0:
        return None
    n = {0xC4: buf.pull_uint8, 0xC5: buf.pull_uint16, 0xC6: buf.pull_uint32, 0xCC: buf.pull_uint8, 0xCD: buf.pull_uint16,
         0xCE: buf.pull_uint32}[c]()
    return buf.pull_bytes(n) if c < 0xCC else n


def body_of(data):
    """Of one answer: the value, or the bytes of all its frames."""
    buf, pieces = Buffer(data=bytes(data)), []
    while not buf.eof():
        equal(buf.pull_bytes(3), b"\xca\xfe\x01", "magic")
        end = buf.pull_uint32() + buf.tell()
        equal(buf.pull_uint8(), 0, "flags")
        kind, _, *rest = unpack(buf)
        equal(buf.tell(), end, "a frame's end")
        if kind == RES:
            equal(rest[0], 200, "status")
            if len(rest) > 2 and not isinstance(rest[2], bytes):
                return rest[2]
        pieces += rest[2:] if kind == RES else rest if kind == DATA else []
    return b"".join(pieces)


# --- sessions --------------------------------------------------------------------------------------------------


class Stream:
    def __init__(self):
        self.data = bytearray()
        self.reset = self.stopped = None
        self.ended = asyncio.get_running_loop().create_future()

    def end(self):
        if not self.ended.done():
            self.ended.set_result(self)


class Page(Client):
    """What a page would be: sessions, their streams and datagrams."""
    webtransport = True

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.streams = {}
        self.datagrams = asyncio.Queue()

    def quic_event_received(self, event):
        s = self.streams.get(getattr(event, "stream_id", None))
        if s is None:
            return super().quic_event_received(event)
        if isinstance(event, StreamDataReceived):  # aioquic takes it for HTTP/3's
            s.data += event.data
            if event.end_stream:
                s.end()
        elif isinstance(event, StreamReset):
            s.reset = event.error_code
            s.end()
        elif isinstance(event, StopSendingReceived):
            s.stopped = event.error_code

    def http_event(self, e):
        if isinstance(e, DatagramReceived):
            self.datagrams.put_nowait((e.stream_id, e.data))
        else:
            super().http_event(e)

    async def settings(self):
        while self.h3.received_settings is None:
            await self.ping()
        return self.h3.received_settings

    async def connect_to(self, path="/herz", origin=None):
        """A session's number, and its CONNECT's answer."""
        await self.settings()
        s = self.ask_for(path, origin)
        self.transmit()
        a = self.answers[s]
        while not a.fields and not a.done.done():
            await self.ping()
        return s, a

    def ask_for(self, path, origin=None):
        s = self.open()
        fields = [(b":method", b"CONNECT"), (b":protocol", b"webtransport"), (b":scheme", b"https"),
                  (b":authority", b"localhost"), (b":path", path.encode()), (b"sec-webtransport-http3-draft02", b"1")]
        self.h3.send_headers(s, fields + ([(b"origin", origin.encode())] if origin else []))
        return s

    def stream(self, session, data, end=True):
        number = self.h3.create_webtransport_stream(session)
        self.streams[number] = Stream()
        self.raw(number, data, end)
        return number

    async def ask(self, session, method, path, body=None):
        s = self.streams[self.stream(session, request(method, path, body))]
        await asyncio.wait_for(s.ended, PATIENCE)
        equal(s.reset, None, "reset")
        return body_of(s.data)

    async def until(self, holds):
        while not holds():
            assert not self.terminated.done(), f"the connection ended: {self.terminated.result()}"
            await self.ping()


def page(**more):
    return client(port, certificate, protocol=Page, max_datagram_frame_size=65536, **more)


def capsules(data):
    found, buf = [], Buffer(data=bytes(data))
    while not buf.eof():
        kind, length = buf.pull_uint_var(), buf.pull_uint_var()
        found.append((kind, buf.pull_bytes(length)))
    return found


def capsule(kind, data):
    return encode_frame(FrameType.DATA, encode_uint_var(kind) + encode_uint_var(len(data)) + data)


async def offered():
    async with page() as c:
        got = await c.settings()
        equal({k: got.get(k) for k in WEBTRANSPORT_SETTINGS}, WEBTRANSPORT_SETTINGS)


async def a_session():
    async with page() as c:
        session, a = await c.connect_to()
        equal(a.status, 200)
        equal(await c.ask(session, "GET", "/users/42"), {"id": "42"})


async def many_streams():
    async with page() as c:
        session, _ = await c.connect_to()
        all = [c.streams[c.stream(session, request("GET", f"/users/{i:04}"))] for i in range(200)]
        for i, s in enumerate(all):
            await asyncio.wait_for(s.ended, PATIENCE)
            equal(body_of(s.data), {"id": f"{i:04}"})


async def large():
    async with page() as c:
        session, _ = await c.connect_to()
        body = b"".join(b"%015d\n" % i for i in range(50000))
        assert await c.ask(session, "POST", "/echo", body) == body


async def two_sessions():
    async with page() as c:
        (one, a), (two, b) = await c.connect_to(), await c.connect_to()
        equal((a.status, b.status), (200, 200))
        c.raw(one, capsule(CLOSE, struct.pack(">I", 0)), end=True)
        await asyncio.wait_for(a.done, PATIENCE)
        equal(await c.ask(two, "GET", "/users/7"), {"id": "7"}, "the other session")
        equal((await c.call("GET", "/users/1")).status, 200, "and plain HTTP/3 beside it")


async def refused():
    async with page() as c:
        _, a = await c.connect_to(origin="https://elsewhere.example")
        equal(a.status, 403, "another page's origin")
        session, a = await c.connect_to(origin=f"https://localhost")
        equal(a.status, 200, "one's own")


async def too_early():
    async with page() as c:
        await c.call("GET", "/users/1")
        while not c.tickets:
            await c.ping()
        ticket = c.tickets[0]
    async with page(ticket=ticket, wait=False) as c:
        a = await c.answer(c.ask_for("/herz"))
        assert c.handshake.early_data_accepted, c.handshake
        equal(a.status, 425)
        _, a = await c.connect_to()
        equal(a.status, 200, "and then")


async def closed_by_us():
    async with page() as c:
        session, a = await c.connect_to()
        await c.ask(session, "GET", "/users/1")
        c.raw(session, capsule(CLOSE, struct.pack(">I", 142) + b"page done"), end=True)
        await asyncio.wait_for(a.done, PATIENCE)
        equal(a.reset, None, "the end of the CONNECT stream")
        say("closed")
        # Its streams are gone with it.
        late = c.streams[c.stream(session, request("GET", "/users/2"))]
        await asyncio.wait_for(late.ended, PATIENCE)
        equal(late.reset, SESSION_GONE, "a stream of a session that was")


async def plain():
    async with page() as c:
        session, a = await c.connect_to("/echo")
        equal(a.status, 200)
        for n in (0, 1, 65536, 1 << 20):
            body = b"".join(b"%015d\n" % i for i in range((n + 15) // 16))[:n]
            s = c.streams[c.stream(session, body)]
            await asyncio.wait_for(s.ended, PATIENCE)
            assert s.reset is None and s.data == body, f"{len(s.data)} bytes came back for {n}"
        for i in range(50):  # few at a time: none has to be dropped
            sent = {b"%d.%d" % (i, k) for k in range(10)}
            for d in sent:
                c.h3.send_datagram(session, d)
            c.transmit()
            equal({(await asyncio.wait_for(c.datagrams.get(), PATIENCE))[1] for _ in sent}, sent)
        one_way = c.h3.create_webtransport_stream(session, is_unidirectional=True)
        c.streams[one_way] = Stream()
        c.raw(one_way, b"no answer has a place here")
        await c.until(lambda: c.streams[one_way].stopped is not None)
        equal(c.streams[one_way].stopped, on_wire(4))


async def reset_and_stopped():
    async with page() as c:
        session, _ = await c.connect_to()
        number = c.stream(session, request("GET", "/bytes/100000000"), end=False)
        s = c.streams[number]
        await c.until(lambda: len(s.data) > 100000)
        c._quic.reset_stream(number, on_wire(0))
        c._quic.stop_stream(number, on_wire(0))
        c.transmit()
        await asyncio.wait_for(s.ended, PATIENCE)
        assert s.reset is not None and s.reset >= CODE_FIRST, s.reset
        equal(await c.ask(session, "GET", "/users/7"), {"id": "7"})


async def nobodys_streams():
    async with page() as c:
        await c.settings()
        for _ in range(64):  # more than may wait
            c.stream(400, request("GET", "/users/1"), end=False)
        await c.until(lambda: any(s.reset is not None or s.stopped is not None for s in c.streams.values()))
        codes = {s.stopped for s in c.streams.values()} | {s.reset for s in c.streams.values()}
        equal(codes - {None}, {BUFFERED_STREAM_REJECTED})
        for _ in range(64):
            c.h3.send_datagram(400, b"for nobody")
        session, a = await c.connect_to()
        equal(a.status, 200)
        await c.ask(session, "GET", "/users/1")


async def broken_capsules(data, what):
    async with page() as c:
        session, a = await c.connect_to()
        c.raw(session, capsule(CLOSE, data))
        await asyncio.wait_for(a.done, PATIENCE)
        assert a.reset is not None, f"{what} was taken: {bytes(a.body)!r}"
        equal((await c.call("GET", "/users/1")).status, 200, "the connection")


async def drained():
    async with page() as c:
        session, a = await c.connect_to()
        await c.ask(session, "GET", "/users/1")
        say("drain")
        await asyncio.wait_for(a.done, PATIENCE)
        kinds = [kind for kind, _ in capsules(a.body)]
        assert kinds == [DRAIN, CLOSE] or kinds == [CLOSE], kinds


async def main():
    await check("SETTINGS offer draft 02", offered())
    await check("a session, a call on a stream of it", a_session())
    await check("200 streams at once", many_streams())
    await check("800,000 bytes there and back", large())
    await check("two sessions and HTTP/3 on one connection; one ends", two_sessions())
    await check("pages of other origins are refused", refused())
    await check("no session is opened in early data", too_early())
    await check("plain mode: streams of 0 to 1 MiB and 500 datagrams come back, a one-way stream is stopped", plain())
    await check("a stream that is reset and stopped: codes of the application's range", reset_and_stopped())
    await check("streams and datagrams of no session wait within bounds, then are refused", nobodys_streams())
    await check("a reason of 1,025 bytes ends the session", broken_capsules(struct.pack(">I", 1) + b"x" * 1025, "too long"))
    await check("a close without its code ends the session", broken_capsules(b"\0", "too short"))
    await check("closed by us with code and reason; then its streams are gone", closed_by_us())
    await check("closed by the service when that ends", drained())
    print(f"aioquic: {failed} checks failed" if failed else "aioquic: all checks passed")
    sys.exit(1 if failed else 0)


asyncio.run(main())
