/** The text of a file of the Go kit with another module path. */

/** Whether the text can be the path of a Go module: segments of letters, digits and `-._~`, the first with a dot. */
export function isGoModulePath(text: string): boolean {
  return /^[a-z0-9-]+(?:\.[a-z0-9-]+)+(?:\/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+$/.test(text);
}

/** @returns The text with `next` in place of `current`, where `current` is a whole path or the beginning of one. */
export function moved(text: string, current: string, next: string): string {
  return text.replaceAll(new RegExp(`(?<![\\w./-])${escaped(current)}(?![\\w.-])`, 'g'), () => next);
}

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\/-]/g, '\\$&');
}
