import { ImgkitError } from '../spec/errors.ts';
import type { Workflow } from './workflow.ts';

/**
 * The input as the workflow's schema makes it.
 *
 * @throws {@link ImgkitError} `INVALID_ARGUMENT` that names each fault.
 */
export async function checkInput<I, O>(workflow: Workflow<I, O>, input: I): Promise<I> {
  if (workflow.input === undefined) return input;
  const result = await workflow.input['~standard'].validate(input);
  if (result.issues === undefined) return result.value;
  const faults = result.issues.map(({ message, path = [] }) => {
    const keys = path.map((part) => String(typeof part === 'object' ? part.key : part));
    return keys.length === 0 ? message : `${keys.join('.')}: ${message}`;
  });
  throw new ImgkitError(
    'INVALID_ARGUMENT',
    `the input of workflow "${workflow.name}" is not valid: ${faults.join('; ')}`,
    {
      data: { faults },
    },
  );
}
