// Version 13 is built on Node-API, carries its binaries along, and needs Node 22.14. Version 12, for
// Node 20, aborts on Node 24.19 and later where it is compiled there: its statements may be collected as
// garbage at a moment at which Node cannot tell whose they are (node::ObjectWrap).
module.exports = require(Number(process.versions.napi) >= 10 ? 'better-sqlite3-13' : 'better-sqlite3-12');
