import { setTimeout as delay } from 'node:timers/promises';
import type { OwnedKind, OwnedResource } from '../spec/capabilities/owned.ts';
import { ImgkitError } from '../spec/errors.ts';
import type {
  CreateContext,
  LedgerEntry,
  RemovableResource,
  Resource,
  ResourceRemover,
} from '../engine/index.ts';

interface Thing extends OwnedResource {
  readonly provider: string;
  readonly token: string;
}

/** What may be told of a thing that is made. */
export interface Making {
  /** How long the answer takes after the thing is there, in milliseconds. Default: 0. */
  readonly answerMs?: number | undefined;
  /** How long it takes until the thing is there, whether somebody still wants it or not, in milliseconds. Default: 0. */
  readonly effectMs?: number | undefined;
  readonly beforeEffect?: (() => Promise<void>) | undefined;
  /** When the thing is there and the caller doesn't know it yet. */
  readonly afterEffect?: (() => Promise<void>) | undefined;
}

/** A cloud in which a thing is there before its maker hears of it, and one token makes one thing. */
export class FakeCloud implements ResourceRemover {
  readonly provider = 'fake';
  readonly #things = new Map<string, Thing>();
  readonly #made = new Map<string, number>();
  #next = 1;
  /** The ids of what was removed, in that order. */
  readonly removals: string[] = [];
  /** Is asked before anything is removed; what it throws is the cloud's answer. */
  onRemove: (resource: RemovableResource) => Promise<void> = async () => {};

  /** What is there now. */
  get things(): readonly Thing[] {
    return [...this.#things.values()];
  }

  /** How many things were ever made with the name. */
  made(name: string): number {
    return this.#made.get(name) ?? 0;
  }

  /** Begins counting anew. */
  forgetCounts(): void {
    this.#made.clear();
  }

  /** A thing to acquire, which is called `name`. */
  thing(kind: OwnedKind, name: string, making: Making = {}): Resource {
    return {
      provider: this.provider,
      kind,
      create: (context) => this.#create(kind, name, context, making),
    };
  }

  /** Puts something there that no run made. */
  plant(kind: OwnedKind, name: string, labels: Readonly<Record<string, string>>): Thing {
    const id = `${name}-${this.#next}`;
    this.#next += 1;
    const createdAt = new Date().toISOString();
    const thing = { provider: this.provider, kind, id, name, createdAt, labels, token: id };
    this.#things.set(id, thing);
    return thing;
  }

  async remove(resource: RemovableResource): Promise<void> {
    await this.onRemove(resource);
    if (this.#things.delete(resource.id)) this.removals.push(resource.id);
  }

  async find(entry: LedgerEntry): Promise<string | undefined> {
    return this.things.find(({ token }) => token === entry.token)?.id;
  }

  async *listOwned({
    labels,
  }: {
    readonly labels: Readonly<Record<string, string>>;
  }): AsyncIterable<Thing> {
    for (const thing of this.things) {
      const fits = Object.entries(labels).every(([key, value]) => thing.labels[key] === value);
      if (fits) yield thing;
    }
  }

  async #create(
    kind: OwnedKind,
    name: string,
    { token, labels, signal }: CreateContext,
    { answerMs = 0, effectMs = 0, beforeEffect, afterEffect }: Making,
  ): Promise<{ readonly id: string }> {
    await beforeEffect?.();
    if (signal.aborted) throw new ImgkitError('CANCELLED', 'not begun');
    if (effectMs > 0) await delay(effectMs);
    let thing = this.things.find((known) => known.token === token);
    if (thing === undefined) {
      const id = `${name}-${this.#next}`;
      this.#next += 1;
      const createdAt = new Date().toISOString();
      thing = { provider: this.provider, kind, id, name, createdAt, labels: { ...labels }, token };
      this.#things.set(id, thing);
      this.#made.set(name, this.made(name) + 1);
    }
    await afterEffect?.();
    if (answerMs > 0) await delay(answerMs, undefined, { signal });
    return { id: thing.id };
  }
}
