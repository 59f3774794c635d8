// A session that outlives its connections: its token, its ids, which answers the service may forget (docs/sessions.md).
// Not here: what is repeated (call.js, publish.js), who shows the token when transports race (race.js).

const TOGETHER = 32; // answers that are told of at once
// The service remembers 4096 ids: those without an answer, and those of which it was not told yet.
const OPEN_MAX = 2048; // publishes wait from here on
export const CALLS_MAX = 1024;

/** The ids of one session. Who has the same has the same session. */
export class Ids {
  last = 0;
  open = new Set(); // in their order; of a session that may be resumed: those without an answer
  answered = []; // of which the service was not told
  session; // the newest connection

  get full() {
    return this.open.size >= OPEN_MAX;
  }

  /** The answer to `id` has come, or is not wanted. */
  settle(id) {
    if (this.open.delete(id) && this.answered.push(id) >= TOGETHER && this.session.usable) this.session.done(this.ranges());
  }

  /** [first, how many] of what was answered. all: on a new connection, for what was said on the last may be lost. */
  ranges(all) {
    const [oldest = this.last + 1] = this.open;
    const out = all ? [[1, oldest - 1]] : [];
    for (const id of this.answered.sort((a, b) => a - b)) {
      const range = out.at(-1);
      if (range !== undefined && id < range[0] + range[1]) continue;
      if (range !== undefined && id === range[0] + range[1]) range[1]++;
      else out.push([id, 1]);
    }
    this.answered = [];
    return out;
  }
}

/** Of one client: what it resumes with. */
export class Lasting {
  token = 'new';
  held = false; // what is unanswered may be repeated
  ids = new Ids();

  /** WELCOME has come. */
  welcomed({ token, resumed }, session) {
    this.held = !!token;
    this.token = token || 'new';
    if (!resumed) this.ids = new Ids();
    this.ids.session = session;
    return this.ids;
  }
}
