import type { Engine, Imgkit, Workflow } from '@imgkit/core';
import type { Connect } from '../machine.ts';
import type { Recipe } from '../recipe.ts';
import type { BakeInput, BakeOutput } from './bake-workflow.ts';

/** What the code of a bake works with: live objects, which no journal can hold. */
export interface Baker {
  readonly kit: Imgkit;
  readonly recipe: Recipe;
  readonly connect: Connect;
}

interface Known {
  baker: Baker;
  readonly workflow: Workflow<BakeInput, BakeOutput>;
}

const engines = new WeakMap<Engine, Map<string, Known>>();

/**
 * The one workflow that an engine has for a recipe, since it takes no second one of the same name. It bakes as it was told last: secrets, which
 * are no part of the digest, may have changed.
 */
export function workflowFor(
  baker: Baker,
  recipeDigest: string,
  make: (current: () => Baker) => Workflow<BakeInput, BakeOutput>,
): Workflow<BakeInput, BakeOutput> {
  const { engine } = baker.kit;
  const workflows = engines.get(engine) ?? new Map<string, Known>();
  engines.set(engine, workflows);
  const known = workflows.get(recipeDigest);
  if (known !== undefined) {
    known.baker = baker;
    return known.workflow;
  }
  const made: Known = { baker, workflow: make(() => made.baker) };
  workflows.set(recipeDigest, made);
  return made.workflow;
}
