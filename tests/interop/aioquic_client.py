"""aioquic as an HTTP/3 client: requests, and bytes on streams as no client should send them. Not here: any expectation.

python3 aioquic_client.py PORT CERTIFICATE REQUESTS prints the answers as JSON: REQUESTS is a JSON list of
{"method", "path", "headers", "body"}, an answer {"status", "headers", "body"}.
"""
import asyncio
import json
import sys
from contextlib import asynccontextmanager

from aioquic.asyncio.client import connect
from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.h3.connection import H3_ALPN, H3Connection
from aioquic.h3.events import DataReceived, HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import ConnectionTerminated, HandshakeCompleted, StreamReset, StreamDataReceived

PATIENCE = 60  # seconds after which something hangs


class Answer:
    def __init__(self):
        self.fields = []
        self.body = bytearray()
        self.reset = None
        self.done = asyncio.get_running_loop().create_future()

    @property
    def status(self):
        return int(dict(self.fields)[b":status"])

    def field(self, name):
        return dict(self.fields).get(name.encode(), b"").decode() or None

    def end(self):
        if not self.done.done():
            self.done.set_result(self)


class Client(QuicConnectionProtocol):
    speaks = True  # False: streams are raw, whoever uses this sends SETTINGS or does not
    webtransport = False

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.h3 = H3Connection(self._quic, enable_webtransport=self.webtransport) if self.speaks else None
        self.answers = {}
        self.events = []  # of HTTP/3 that belong to no request
        self.handshake = None
        self.terminated = asyncio.get_running_loop().create_future()

    def quic_event_received(self, event):
        if isinstance(event, HandshakeCompleted):
            self.handshake = event
        elif isinstance(event, ConnectionTerminated) and not self.terminated.done():
            self.terminated.set_result(event)
            for a in self.answers.values():
                a.end()
        elif isinstance(event, StreamReset) and event.stream_id in self.answers:
            self.answers[event.stream_id].reset = event.error_code
            self.answers[event.stream_id].end()
        if self.h3 is None:
            if isinstance(event, StreamDataReceived):
                self.events.append(event)
            return
        for e in self.h3.handle_event(event):
            self.http_event(e)

    def http_event(self, e):
        a = self.answers.get(getattr(e, "stream_id", None))
        if a is None or not isinstance(e, (HeadersReceived, DataReceived)):
            self.events.append(e)
            return
        if isinstance(e, HeadersReceived):
            if not a.fields or a.fields[0][1][:1] == b"1":
                a.fields = e.headers
        else:
            a.body += e.data
        if e.stream_ended:
            a.end()

    def open(self):
        stream = self._quic.get_next_available_stream_id()
        self.answers[stream] = Answer()
        return stream

    def begin(self, method, path, headers=(), end=False, authority="localhost"):
        stream = self.open()
        fields = [(b":method", method.encode()), (b":scheme", b"https"), (b":authority", authority.encode()),
                  (b":path", path.encode())]
        fields += [(n.lower().encode(), v.encode()) for n, v in headers]
        self.h3.send_headers(stream, fields, end_stream=end)
        return stream

    async def answer(self, stream):
        self.transmit()
        return await asyncio.wait_for(self.answers[stream].done, PATIENCE)

    async def call(self, method, path, headers=(), body=None):
        stream = self.begin(method, path, headers, end=body is None)
        if body is not None:
            self.h3.send_data(stream, body, end_stream=True)
        return await self.answer(stream)

    def raw(self, stream, data, end=False):
        self._quic.send_stream_data(stream, data, end)
        self.transmit()

    async def ended(self):
        """Why the other side ended the connection: (code, reason)."""
        e = await asyncio.wait_for(self.terminated, PATIENCE)
        return e.error_code, e.reason_phrase


class RawClient(Client):
    speaks = False


def configuration(certificate, **more):
    c = QuicConfiguration(is_client=True, alpn_protocols=H3_ALPN, server_name="localhost", **more)
    c.load_verify_locations(certificate)
    return c


@asynccontextmanager
async def client(port, certificate, protocol=Client, wait=True, ticket=None, **more):
    got = []
    async with connect("127.0.0.1", port, configuration=configuration(certificate, session_ticket=ticket, **more),
                       create_protocol=protocol, session_ticket_handler=got.append, wait_connected=wait) as c:
        c.tickets = got
        yield c


async def main(port, certificate, requests):
    answers = []
    async with client(int(port), certificate) as c:
        for r in json.loads(requests):
            body = r.get("body")
            a = await c.call(r["method"], r["path"], r.get("headers", {}).items(), body.encode() if body else None)
            headers = [[n.decode(), v.decode()] for n, v in a.fields if not n.startswith(b":")]
            answers.append({"status": a.status, "headers": headers, "body": a.body.decode()})
    print(json.dumps(answers))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
