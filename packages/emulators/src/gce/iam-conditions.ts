import { textOf, type JsonObject } from '../control-plane/json.ts';

/** What a condition may ask about. */
export interface ConditionFacts {
  /** The time of the request, in ms since 1970. */
  readonly now: number;
  /** `projects/p/global/images/i` */
  readonly resource: string;
  /** `compute.googleapis.com/Image` */
  readonly resourceType: string;
}

/**
 * Whether the condition of a binding holds. Understood are comparisons of `request.time` with a timestamp, and of
 * `resource.name` and `resource.type` (`==`, `!=`, `startsWith`, `endsWith`), joined by `&&`. What isn't understood
 * doesn't hold: a binding never gives more than it says.
 */
export function conditionHolds(condition: JsonObject, facts: ConditionFacts): boolean {
  const expression = textOf(condition, 'expression') ?? '';
  return expression.split('&&').every((part) => termHolds(part.trim(), facts));
}

function termHolds(term: string, facts: ConditionFacts): boolean {
  const time = /^request\.time\s*(<=|>=|<|>)\s*timestamp\(["']([^"']+)["']\)$/.exec(term);
  if (time) return compare(facts.now, time[1], Date.parse(time[2] ?? ''));
  const equal = /^resource\.(name|type)\s*(==|!=)\s*["']([^"']*)["']$/.exec(term);
  if (equal) return (attribute(equal[1], facts) === equal[3]) === (equal[2] === '==');
  const part = /^resource\.(name|type)\.(startsWith|endsWith)\(["']([^"']*)["']\)$/.exec(term);
  if (!part) return false;
  const [, name, test, text = ''] = part;
  const value = attribute(name, facts);
  return test === 'startsWith' ? value.startsWith(text) : value.endsWith(text);
}

function attribute(name: string | undefined, facts: ConditionFacts): string {
  return name === 'name' ? facts.resource : facts.resourceType;
}

function compare(left: number, operator: string | undefined, right: number): boolean {
  switch (operator) {
    case '<':
      return left < right;
    case '<=':
      return left <= right;
    case '>':
      return left > right;
    default:
      return left >= right;
  }
}
