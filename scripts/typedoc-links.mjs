// @ts-check
// A TypeDoc plugin: `{@link ImgkitError}` also works in a file that doesn't import ImgkitError, as long as one
// of our packages exports that name. TypeDoc itself knows only the names that are in the file's scope.
import { Application, ReflectionKind } from 'typedoc';

/**
 * @param {Application} app The application.
 */
export function load(app) {
  app.on(Application.EVENT_PROJECT_REVIVE, (project) => {
    const exported = new Map(
      [ReflectionKind.Module, ReflectionKind.Project]
        .flatMap((kind) => project.getReflectionsByKind(kind))
        .flatMap((scope) =>
          'children' in scope && Array.isArray(scope.children) ? scope.children : [],
        )
        .map((reflection) => [String(reflection.name), reflection]),
    );
    for (const { comment } of Object.values(project.reflections)) {
      if (comment === undefined) continue;
      const parts = [comment.summary, ...comment.blockTags.map((tag) => tag.content)].flat();
      for (const part of parts) {
        if (part.kind !== 'inline-tag' || part.tag !== '@link' || part.target !== undefined)
          continue;
        const [name = '', ...members] = part.text.split('.');
        const owner = exported.get(name);
        const target = members.length === 0 ? owner : owner?.getChildByName(members);
        if (target !== undefined) part.target = target;
      }
    }
  });
}
