// What browsers import. node.js is the same for Node.
export { connect } from './client.js';
export { HerzError } from './errors.js';
export { Ext } from './msgpack.js';
