/** What every door says when it refuses a call by itself, whatever speaks its protocol. */

export const NO_MESSAGE = 'The request has no message.';
export const MORE_MESSAGES = 'The request has more than the one message that the method takes.';
export const UNKNOWN_COMPRESSION = 'The compression of the request is not supported: use gzip.';
export const tooLarge = (maxBytes: number): string => `A message is larger than ${maxBytes} bytes.`;
