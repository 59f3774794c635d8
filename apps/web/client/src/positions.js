// Where a subscription stands: of each topic the last that was seen, so that it goes on there on the next connection.
// Not here: what the server makes of it (docs/hub.md, "Recovery").

const TOPICS_MAX = 8192;
const TEXT_MAX = 1 << 19; // characters of all topics
const AHEAD_MAX = 1024; // of one topic: offsets that came before one that is missing

export class Positions {
  /** order: 'kept' (events of a topic come in their order), 'mixed' (they overtake each other, none is lost), or 'loose'
   * (some never come). */
  constructor(order) {
    this.order = order;
    this.topics = new Map();
    this.text = 0;
    this.round = 0; // the connections so far
  }

  /** False: this event was seen already. */
  event(topic, epoch, offset) {
    const one = this.at(topic, epoch, offset - 1);
    if (one === undefined) return true;
    if (this.order === 'loose') {
      one.last = Math.max(one.last, offset);
      return true;
    }
    if (offset <= one.last) return offset < one.first;
    if (this.order === 'kept') one.last = offset;
    else if (one.ahead.has(offset)) return false;
    else this.ahead(one, offset);
    return true;
  }

  /** Events from `offset` to `last` will not come. */
  gap(topic, epoch, offset, last) {
    const one = this.at(topic, epoch, last);
    if (one === undefined || (this.order === 'mixed' && offset > one.last + 1)) return;
    one.last = Math.max(one.last, last);
    this.close(one);
  }

  at(topic, epoch, last) {
    let one = this.topics.get(topic);
    if (one === undefined || one.epoch !== epoch) {
      if (one === undefined) {
        if (this.topics.size >= TOPICS_MAX || this.text + topic.length > TEXT_MAX) return undefined;
        this.text += topic.length;
      }
      one = { epoch, first: last + 1, last, ahead: new Set() };
      this.topics.set(topic, one);
    }
    one.round = this.round;
    return one;
  }

  // What is missing for so long is not waited for.
  ahead(one, offset) {
    one.ahead.add(offset);
    if (one.ahead.size > AHEAD_MAX) one.last = [...one.ahead].sort((a, b) => a - b)[AHEAD_MAX >> 1];
    this.close(one);
  }

  close(one) {
    const { ahead } = one;
    if (ahead.size === 0) return;
    while (ahead.has(one.last + 1)) one.last++;
    if (ahead.size > 0) for (const o of ahead) if (o <= one.last) ahead.delete(o);
  }

  /** Topics that were not heard of on this connection. */
  forgetOlder() {
    for (const [topic, one] of this.topics) {
      if (one.round === this.round) continue;
      this.topics.delete(topic);
      this.text -= topic.length;
    }
  }

  /** A map of topic to [epoch, offset], of as many as `room` bytes hold; undefined: none. */
  map(room) {
    const out = new Map();
    for (const [topic, { epoch, last }] of this.topics) {
      room -= 3 * topic.length + 24;
      if (room < 0) break;
      out.set(topic, [epoch, last]);
    }
    return out.size > 0 ? out : undefined;
  }
}
