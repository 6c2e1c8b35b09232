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

test('as many are admitted as can be answered in 100 ms', () => {
  const turn = makeLoop();
  assert.equal(
    repeat(50, () => turn(1000, 2)),
    50,
  );
});

test('more, where the refusals take a tenth of the time, and at most a second', () => {
  const cases: [requests: number, costOfRefusal: number, admitted: number][] = [
    [250, 0.05, 50],
    [1050, 0.02, 98],
    [5000, 0.05, 500],
    [5000, 10, 500],
  ];
  for (const [requests, costOfRefusal, admitted] of cases) {
    const turn = makeLoop();
    const last = repeat(100, () => turn(requests, 2, costOfRefusal));
    assert.ok(Math.abs(last - admitted) <= 5, `${last} of ${requests}`);
  }
});

test('requests that are as cheap as a refusal are seldom refused', () => {
  const turn = makeLoop();
  assert.equal(
    repeat(50, () => turn(3000, 0.03, 0.03)),
    3000,
  );
  let admitted = 0;
  for (let i = 0; i < 100; i++) admitted += turn(6000, 0.03, 0.03);
  assert.ok(admitted > 550_000, `${admitted} of 600000`);
});

test('it follows what requests cost, and forgets at once when there are fewer', () => {
  const turn = makeLoop();
  repeat(50, () => turn(1000, 2));
  assert.equal(turn(50, 2), 50);
  assert.equal(
    repeat(50, () => turn(1000, 0.5)),
    200,
  );
  assert.equal(
    repeat(50, () => turn(1000, 4)),
    25,
  );
});

test('what blocks the loop for once refuses nobody', () => {
  const turn = makeLoop();
  repeat(300, () => turn(1, 0.1));
  turn(1, 5000);
  assert.equal(turn(450, 0.1), 450);
});

test('one request is taken to cost a fifth of the turn at most, and few are admitted whatever they cost', () => {
  const turn = makeLoop();
  assert.equal(
    repeat(50, () => turn(1000, 1000)),
    20,
  );
  // What was so dear is forgotten by the next thousand.
  repeat(50, () => turn(20, 0.1));
  assert.ok(turn(1000, 0.1) > 300);
});
