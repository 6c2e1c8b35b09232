import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createAdmission } from '../../src/overload.ts';

/** An event loop by a clock of its own, and how many of the requests of a turn are admitted in it. */
function makeLoop() {
  let clock = 0;
  let endTurn = () => {};
  const { admits, refuse } = createAdmission({
    active: () => clock,
    now: () => clock,
    onTurnEnd: (callback) => {
      endTurn = callback;
    },
  });
  return function turn(requests: number, cost: number, costOfRefusal = 0): number {
    let admitted = 0;
    for (let i = 0; i < requests; i++) {
      if (admits()) admitted++;
      else {
        refuse(() => {
          clock += costOfRefusal;
        });
      }
    }
    endTurn();
    clock += admitted * cost;
    return admitted;
  };
}

function repeat(times: number, turn: () => number): number {
  let last = 0;
  for (let i = 0; i < times; i++) last = turn();
  return last;
}

test('as many are admitted as can be answered in 200 ms', () => {
  const turn = makeLoop();
  assert.equal(
    repeat(50, () => turn(1000, 2)),
    100,
  );
});

test('however many are refused, and whatever that costs', () => {
  for (const costOfRefusal of [0, 0.03, 1]) {
    const turn = makeLoop();
    assert.equal(
      repeat(50, () => turn(5000, 2, costOfRefusal)),
      100,
    );
  }
});

test('requests that are cheap are all admitted', () => {
  const turn = makeLoop();
  assert.equal(
    repeat(50, () => turn(5000, 0.03)),
    5000,
  );
});

test('it follows what requests cost, and forgets at once when there are fewer', () => {
  const turn = makeLoop();
  repeat(50, () => turn(1000, 2));
  assert.equal(turn(100, 2), 100);
  assert.equal(
    repeat(50, () => turn(1000, 0.5)),
    400,
  );
  assert.equal(
    repeat(50, () => turn(1000, 4)),
    50,
  );
});

test('what blocks the loop for once refuses nobody', () => {
  const turn = makeLoop();
  repeat(300, () => turn(1, 0.1));
  turn(1, 5000);
  assert.equal(turn(900, 0.1), 900);
});

test('a tenth of the turn is the most that one request is taken to cost', () => {
  const turn = makeLoop();
  assert.equal(
    repeat(50, () => turn(1000, 1000)),
    10,
  );
});
