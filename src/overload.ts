/** Decides which requests are begun, so that those that are have their answer soon. */
export interface Admission {
  /** Whether a request may begin in this turn of the event loop. */
  admits(): boolean;
  /** The number of the present turn. */
  turn(): number;
  /** Runs the refusal of a request, whose time is then none of the others'. */
  refuse(answer: () => void): void;
}

// How long a turn may be; an admitted request waits for two at most. Where there are so many to refuse that
// it takes its time, too, a turn is longer, lest little be answered.
const TURN_MS = 100;
const TIMES_REFUSING = 10;
const MAX_TURN_MS = 1000;
// Over how many requests the cost of one is averaged, and the most that one is taken to cost: whatever else
// blocks the event loop for once is no cost of theirs.
const MEMORY = 200;
const MAX_COST_MS = 20;
// So few at once are no overload, whatever those before them have cost: a hash on the same core holds up the
// event loop, too.
const MIN_ADMITTED = 20;

interface EventLoop {
  /** milliseconds that it was not idle, so far */
  active(): number;
  now(): number;
  /** Calls when what has arrived was read. */
  onTurnEnd(callback: () => void): void;
}

const EVENT_LOOP: EventLoop = {
  active: () => performance.eventLoopUtilization().active,
  now: () => performance.now(),
  onTurnEnd: setImmediate,
};

/**
 * Admits in each turn of the event loop max(turn / cost, 20) requests: `cost` is what one of late has taken of the
 * event loop, and `turn` is 100 ms, or ten times as long as it takes to refuse the others, up to a second. What
 * only waits, for a password's hash or for the database, is no cost.
 */
export function createAdmission(eventLoop: EventLoop = EVENT_LOOP): Admission {
  let isTurn = false;
  let turns = 0;
  let begin = eventLoop.active();
  let admitted = 0;
  let refusing = 0;
  let refusingOfLate = 0;
  let cost = 0;
  let capacity = Number.POSITIVE_INFINITY;

  function beginTurn() {
    const now = eventLoop.active();
    if (admitted > 0) {
      const each = Math.min((now - begin - refusing) / admitted, MAX_COST_MS);
      cost += (each - cost) * Math.min(1, admitted / MEMORY);
      refusingOfLate = Math.max(refusing, refusingOfLate * 0.9);
      const turn = Math.min(Math.max(TURN_MS, refusingOfLate * TIMES_REFUSING), MAX_TURN_MS);
      capacity = Math.max(turn / cost, MIN_ADMITTED);
    }
    begin = now;
    admitted = 0;
    refusing = 0;
    isTurn = true;
    turns++;
    eventLoop.onTurnEnd(endTurn);
  }

  function endTurn() {
    isTurn = false;
  }

  return {
    admits() {
      if (!isTurn) beginTurn();
      if (admitted >= capacity) return false;
      admitted++;
      return true;
    },
    turn() {
      if (!isTurn) beginTurn();
      return turns;
    },
    refuse(answer) {
      const start = eventLoop.now();
      answer();
      refusing += eventLoop.now() - start;
    },
  };
}
