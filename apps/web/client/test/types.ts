// Compiled, never run: the types let what is right through, and nothing else.
import { connect, Ext, HerzError, type Answer, type Client, type Gap, type HubEvent, type Position, type State } from '@herz/client';

export async function use(): Promise<void> {
  const client: Client = await connect('https://localhost:4433', {
    certHashes: ['00'.repeat(32), new Uint8Array(32)],
    transports: ['websocket'],
    headers: { accept: '*/*', 'x-many': ['a', 'b'] },
    token: 't',
    signal: AbortSignal.timeout(5),
    reconnect: { minMs: 1 },
    resume: true,
    onstate: (state: State, error) => console.log(state, error?.closeCode),
  });
  await connect(new URL('https://localhost'), { reconnect: false });
  const answer: Answer<{ id: string }> = await client.call<{ id: string }>('GET', '/users/42');
  const id: string = answer.body.id;
  await client.call('POST', '/', { headers: new Headers({ a: 'b' }), body: { big: 1n, ext: new Ext(1, new Uint8Array(1)) } });
  await client.call('POST', '/', { headers: new Map([['a', 'b']]), timeout: 100, maxBytes: 10, signal: null });
  const streamed = await client.stream('POST', '/', { body: streamed_body() });
  for await (const piece of streamed.body) console.log(piece.byteLength, id);
  const trailer: string | null = (await streamed.trailers).get('digest');
  const events = client.subscribe<string>('orders/#', { from: 0, class: 'stream', deadline: 100, slow: 'newest', signal: null });
  const mark: number | bigint = (await events.ready).mark;
  for await (const it of events) {
    const what: HubEvent<string> | Gap = it;
    if (it.type === 'gap') console.log(what.offset, it.missed);
    else console.log(mark, it.topic, it.body.length, it.headers.get('a'));
  }
  events.close();
  const at: Position = await client.publish('orders/1', { paid: true }, { ack: true });
  await client.publish('orders/1', `${at.offset}`);
  // @ts-expect-error: no such class
  client.subscribe('a', { class: 'fast' });
  client.onstate = null;
  client.close(3, `bye ${trailer}`);

  // @ts-expect-error: no such transport
  await connect('https://localhost', { transports: ['tcp'] });
  // @ts-expect-error: a path is missing
  await client.call('GET');
  // @ts-expect-error: the state is not the caller's to set
  client.state = 'open';
  try {
    await client.call('GET', '/');
  } catch (error) {
    if (error instanceof HerzError && (error.code === 'timeout' || error.code === 'reset')) return;
    // @ts-expect-error: no such code
    if (error instanceof HerzError && error.code === 'nonsense') return;
  }
}

async function* streamed_body() {
  yield new Uint8Array(1);
}
