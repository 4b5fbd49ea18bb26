/**
 * Finds a key that an object of a JSON text has twice, which `JSON.parse` lets pass (the last one wins).
 *
 * The text is known to be valid JSON, so strings, braces and brackets are all there is to look at.
 */
export function duplicateKey(text: string): string | undefined {
  /** Keys so far of each open object; null for an open array. */
  const open: (Set<string> | null)[] = [];
  let expectKey = false;
  for (let i = 0; i < text.length; i++) {
    switch (text[i]) {
      case '{':
        open.push(new Set());
        expectKey = true;
        break;
      case '[':
        open.push(null);
        expectKey = false;
        break;
      case '}':
      case ']':
        open.pop();
        expectKey = false;
        break;
      case ',':
        expectKey = open[open.length - 1] instanceof Set;
        break;
      case '"': {
        const start = i++;
        while (text[i] !== '"') i += text[i] === '\\' ? 2 : 1;
        const keys = open[open.length - 1];
        if (expectKey && keys) {
          // Escapes count: "a" and "\u0061" are one key.
          const key = JSON.parse(text.slice(start, i + 1)) as string;
          if (keys.has(key)) return key;
          keys.add(key);
          expectKey = false;
        }
        break;
      }
    }
  }
  return undefined;
}
