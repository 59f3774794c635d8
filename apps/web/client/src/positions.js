// Where a subscription stands: of each topic the last that was seen, so that it goes on there on the next connection.
// Not here: what the server makes of it (docs/hub.md, "Recovery").

const TOPICS_MAX = 8192;
const TEXT_MAX = 1 << 19; // characters of all topics
const APART_MAX = 1024; // of one topic: offsets that are not behind each other
const SURE = 1024; // so many behind each other: none is under way that lies before them

export class Positions {
  /** order: 'kept' (events of a topic come in their order), 'mixed' (they overtake each other, none is lost), or 'loose'
   * (some never come). late: of 'mixed' ones, what was before the first that came can be asked for by the mark. */
  constructor(order, late = false) {
    this.order = order;
    this.late = late && order === 'mixed';
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
    if ((offset >= one.first && offset <= one.last) || one.apart.has(offset)) return false;
    if (this.order === 'kept') one.last = Math.max(one.last, offset);
    else this.apart(one, offset);
    return true;
  }

  /** Events from `offset` to `last` will not come. */
  gap(topic, epoch, offset, last) {
    const one = this.at(topic, epoch, last);
    if (one === undefined || (this.order === 'mixed' && offset > one.last + 1)) return;
    one.last = Math.max(one.last, last);
    this.join(one);
  }

  at(topic, epoch, last) {
    let one = this.topics.get(topic);
    if (one === undefined || one.epoch !== epoch) {
      if (one === undefined) {
        if (this.topics.size >= TOPICS_MAX || this.text + topic.length > TEXT_MAX) return undefined;
        this.text += topic.length;
      }
      one = { epoch, first: last + 1, last, apart: new Set() };
      this.topics.set(topic, one);
    }
    one.round = this.round;
    return one;
  }

  // What is missing for so long is not waited for.
  apart(one, offset) {
    if (offset === one.last + 1) one.last = offset;
    else if (offset === one.first - 1) one.first = offset;
    else one.apart.add(offset);
    if (one.apart.size > APART_MAX) one.last = Math.max(one.last, [...one.apart].sort((a, b) => a - b)[APART_MAX >> 1]);
    this.join(one);
  }

  // first to last were all seen.
  join(one) {
    const { apart } = one;
    if (apart.size === 0) return;
    while (apart.has(one.last + 1)) one.last++;
    while (apart.has(one.first - 1)) one.first--;
    for (const o of apart) if (o >= one.first && o <= one.last) apart.delete(o);
  }

  /** Topics that were not heard of on this connection. */
  forgetOlder() {
    for (const [topic, one] of this.topics) {
      if (one.round === this.round) continue;
      this.topics.delete(topic);
      this.text -= topic.length;
    }
  }

  /** A map of topic to [epoch, offset], of as many as `room` bytes hold; undefined: none. What is not named comes again from
   * the mark on, and event() knows what of it was seen. */
  map(room) {
    const out = new Map();
    for (const [topic, { epoch, first, last }] of this.topics) {
      if (this.late && first > 1 && last - first < SURE) continue;
      room -= 3 * topic.length + 24;
      if (room < 0) break;
      out.set(topic, [epoch, last]);
    }
    return out.size > 0 ? out : undefined;
  }
}
