/**
 * Continues with a value, or with the value of a promise. For a value the continuation runs synchronously: an `await` would
 * delay the rest of the call by a turn of the microtask queue, and would make every caller asynchronous.
 * @param value What was computed, or a promise for it.
 * @param next Runs at once for a value, and later for a promise that resolves. It does not run for one that rejects.
 * @returns The result of `next`, or a promise for it. An error of `next` is thrown in the first case, and rejects in the
 *   second one.
 */
export function andThen<Value, Result>(
  value: Value | Promise<Value>,
  next: (value: Value) => Result | Promise<Result>,
): Result | Promise<Result> {
  return value instanceof Promise ? value.then(next) : next(value);
}
