/**
 * Continues with a value that is here now or comes later. The continuation runs at once where the value is here: an `await`
 * would put the rest of the call behind a turn of the microtask queue, and would make every caller asynchronous.
 * @param value What was computed, or a promise for it.
 * @param next Runs at once, or when the promise resolves. It does not run when the promise rejects.
 * @returns The result of `next`, or a promise for it. An error of `next` is thrown in the first case, and rejects in the
 *   second one.
 */
export function andThen<Value, Result>(
  value: Value | Promise<Value>,
  next: (value: Value) => Result | Promise<Result>,
): Result | Promise<Result> {
  return value instanceof Promise ? value.then(next) : next(value);
}
