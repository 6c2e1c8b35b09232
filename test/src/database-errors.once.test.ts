import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isUnavailable } from '../../src/database/index.ts';

// All classes of SQLSTATE (PostgreSQL's documentation, appendix A): by which the database cannot be used now.
const UNUSABLE = '08 25 26 28 3D 3F 40 53 55 57 58 F0 XX'.split(' ');
const OTHERS = '00 01 02 03 09 0A 0B 0F 0L 0P 0Z 10 20 21 22 23 24 27 2B 2D 2F 34 38 39 3B 42 44 54 72 HV P0'.split(
  ' ',
);

// Codes that were met, or that a reader will look for.
const CODES: [code: string, isUnavailable: boolean][] = [
  ['08P01', true],
  ['25006', true],
  ['28000', true],
  ['28P01', true],
  ['3D000', true],
  ['40001', true],
  ['42501', true],
  ['42601', false],
  ['42P01', false],
  ['22021', false],
  ['23505', false],
  ['55000', true],
  ['57P01', true],
  ['XX001', true],
  ['SQLITE_BUSY', true],
  ['SQLITE_IOERR_READ', true],
  ['SQLITE_CANTOPEN', true],
  ['SQLITE_READONLY_DBMOVED', true],
  ['SQLITE_CORRUPT', true],
  ['SQLITE_CONSTRAINT_CHECK', false],
  ['SQLITE_ERROR', false],
  ['SQLITE_MISMATCH', false],
  ['ECONNREFUSED', true],
  ['EAI_AGAIN', true],
  ['CERT_HAS_EXPIRED', true],
  ['P1001', true],
  ['P2002', false],
  ['P2024', true],
];

const withCode = (code: string) => Object.assign(new Error('failed'), { code });
const byPrisma = (originalCode: string) =>
  Object.assign(new Error('P2010'), { code: 'P2010', cause: { originalCode } });

test('the class of an error tells whether the database can be used', () => {
  for (const code of [...UNUSABLE, ...OTHERS]) {
    for (const error of [withCode(`${code}000`), byPrisma(`${code}000`)]) {
      assert.equal(isUnavailable(error), UNUSABLE.includes(code), code);
    }
  }
  for (const [code, expected] of CODES) assert.equal(isUnavailable(withCode(code)), expected, code);
});

test('what is no error of a database is none', () => {
  for (const value of [undefined, null, 'SQLITE_BUSY', 53, new Error('SQLITE_BUSY'), withCode('FST_ERR_X')]) {
    assert.equal(isUnavailable(value), false, String(value));
  }
});
