// The one class of errors. Not here: statuses of answers, which are no errors but answers.

/** `code` is for programs (index.d.ts lists them), `message` for people: it names the call or the connection. */
export class HerzError extends Error {
  constructor(code, message, more = {}) {
    super(message, more.cause === undefined ? undefined : { cause: more.cause });
    this.code = code;
    if (more.closeCode !== undefined) this.closeCode = more.closeCode;
    if (more.reason !== undefined) this.reason = more.reason;
    /** True: the server has done nothing with the call, so it may be sent again whatever it is. */
    this.untouched = more.untouched === true;
  }

  // The names that fetch() uses, so that one handler suits both.
  get name() {
    return this.code === 'aborted' ? 'AbortError' : this.code === 'timeout' ? 'TimeoutError' : 'HerzError';
  }
}

/** Thrown by the readers of bytes; `code` is the word that the wire vectors use (tests/golden). */
export class WireError extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }

  get name() {
    return 'WireError';
  }
}
