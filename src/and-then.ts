/**
 * Continues with a value, or with the value of a promise. For a value the continuation runs synchronously: an `await` would
 * delay the rest of the call by a turn of the microtask queue, and would make every caller asynchronous.
 * @param value What was computed, or a promise for it.
 * @param next Runs at once for a value, and later for a promise that resolves. It does not run for one that rejects.
 * @param context The second argument of `next`. With it, `next` can be a function of the module and needs no closure, which
 *   would be made for every call.
 * @returns The result of `next`, or a promise for it. An error of `next` is thrown in the first case, and rejects in the
 *   second one.
 */
export function andThen<Value, Result>(
  value: Value | Promise<Value>,
  next: (value: Value) => Result | Promise<Result>,
): Result | Promise<Result>;
export function andThen<Value, Context, Result>(
  value: Value | Promise<Value>,
  next: (value: Value, context: Context) => Result | Promise<Result>,
  context: Context,
): Result | Promise<Result>;
export function andThen<Value, Context, Result>(
  value: Value | Promise<Value>,
  next: (value: Value, context?: Context) => Result | Promise<Result>,
  context?: Context,
): Result | Promise<Result> {
  return value instanceof Promise ? value.then((late) => next(late, context)) : next(value, context);
}
