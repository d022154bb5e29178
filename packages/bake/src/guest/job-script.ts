import { quote } from '../communicator/shell-quote.ts';

/** What a job is, as far as the guest is concerned. */
export interface JobScript {
  /** Names the job in the guest: lower-case letters, digits, dashes. */
  readonly token: string;
  readonly script: string;
  readonly env: Readonly<Record<string, string>>;
  readonly runAs: string | undefined;
}

/** Where jobs live in the guest. */
export interface JobPlaces {
  /** Tried in this order: a file system in memory is best, since secrets pass through it. */
  readonly roots: readonly string[];
  /** On the disk, so that it outlives a reboot: which jobs were started. */
  readonly marks: string;
}

/** How much of the end of its output a finished job reports by itself, in bytes. */
export const reportedTail = 64 * 1024;

// Everything here is POSIX sh without tools beyond the usual, for a busybox as for a full system, and avoids
// processes where it can: under emulation each one takes milliseconds. All programs are in braces, so that a shell that gets only half
// of one, because the connection broke, runs nothing at all.

/** Sets `$root`, where jobs are, or leaves it empty. Only a directory of our own will do: others may write to /tmp. */
function findRoot(places: JobPlaces): string {
  return `
root=
for r in ${places.roots.map(quote).join(' ')}; do
  [ -d "$r" ] && [ -w "$r" ] || continue
  mkdir -m 711 "$r/imgkit-jobs" 2>/dev/null
  if [ -d "$r/imgkit-jobs" ] && [ ! -h "$r/imgkit-jobs" ] && [ -O "$r/imgkit-jobs" ]; then root=$r/imgkit-jobs; break; fi
done`;
}

/**
 * Starts the job unless it was started before, waits for its end, and reports it: `imgkit-job <token> <what>`, where what is
 * `done <exit code> <bytes of output>` followed by the end of the output, `lost`, or `nowhere`.
 *
 * The claim that makes it exactly one is the creation of the link `$job`, which is atomic, to a directory in which everything is ready.
 * A pipe that only the job's runner holds open tells those who wait when it is over, even when it was killed.
 */
export function startAndWait(job: JobScript, places: JobPlaces): string {
  const { token } = job;
  return `{
umask 077
trap '' HUP
read -r boot </proc/sys/kernel/random/boot_id
mark=${quote(places.marks)}/${token}
${findRoot(places)}
[ -n "$root" ] || { echo 'imgkit-job ${token} nowhere'; exit 0; }
job=$root/${token}
if [ ! -h "$job" ]; then
  if [ -f "$mark" ]; then echo 'imgkit-job ${token} lost'; exit 0; fi
  new=$job.$$
  rm -rf "$new"
  mkdir -m 711 "$new"
  mkfifo "$new/alive"
  printf %s ${quote(job.script)} >"$new/script"
  printf %s ${quote(launcher(job))} >"$new/launch"
  exec 9<>"$new/alive"
  if ln -sn "\${new##*/}" "$job" 2>/dev/null; then
    mkdir -p "\${mark%/*}" && echo "$boot" >"$mark"
    (
      setsid sh "$new/launch" "$job" 9>&-
      echo $? >"$new/code.part"
      mv "$new/code.part" "$new/code"
    ) </dev/null >"$new/output" 2>&1 &
  else
    rm -rf "$new"
  fi
  exec 9>&-
fi
exec 7<>"$job/alive" 8<"$job/alive" 7>&-
read -r ignored <&8
exec 8<&-
if [ -f "$job/code" ]; then
  read -r code <"$job/code"
  set -- $(wc -c <"$job/output")
  echo "imgkit-job ${token} done $code $1"
  tail -c ${reportedTail} "$job/output"
else
  echo 'imgkit-job ${token} lost'
fi
exit 0
}
`;
}

/**
 * Becomes the job: the leader of a session of its own, so that a signal reaches all of it. What holds secrets is removed as soon as it was read.
 * The interpreter is named, since the file system may forbid to execute its files.
 */
function launcher(job: JobScript): string {
  const variables = Object.entries(job.env).map(
    ([name, value]) => `export ${name}=${quote(value)}`,
  );
  const interpreter = interpreterOf(job.script).map(quote).join(' ');
  const work = `
${variables.join('\n')}
export IMGKIT_JOB=${quote(job.token)}
umask 022
cd "\${HOME:-/}" 2>/dev/null || cd /
exec ${interpreter} "$1/script"`;
  if (job.runAs === undefined) return `{ echo $$ >"$1/pid"; rm -f "$1/launch"\n${work}\n}\n`;
  const user = quote(job.runAs);
  return `{
echo $$ >"$1/pid"
rm -f "$1/launch"
printf %s ${quote(`{ :>"$1/work"\n${work}\n}\n`)} >"$1/work"
chown ${user} "$1/script" "$1/work" || exit 126
if command -v sudo >/dev/null 2>&1; then exec sudo -n -H -u ${user} -- sh "$1/work" "$1"
elif command -v runuser >/dev/null 2>&1; then exec runuser -u ${user} -- sh "$1/work" "$1"
else exec su ${user} -s /bin/sh -c 'exec sh "$0" "$1"' "$1/work" "$1"
fi
}
`;
}

/** The program that a script asks for in its first line; `sh` by default. */
export function interpreterOf(script: string): readonly string[] {
  const [, program, argument] = /^#! *(\S+)(?:[ \t]+(.*\S))?[ \t]*\r?(?:\n|$)/u.exec(script) ?? [];
  if (program === undefined) return ['sh'];
  return argument === undefined ? [program] : [program, argument];
}

/** Prints the output as it is written, from a byte on, until the job is over. */
export function follow(token: string, from: number, places: JobPlaces): string {
  return `{
${findRoot(places)}
job=$root/${token}
i=0
while [ ! -f "$job/output" ] && [ $i -lt 50 ]; do sleep 0.1; i=$((i + 1)); done
[ -f "$job/output" ] || exit 0
tail -c +${from + 1} -f "$job/output" &
exec 7<>"$job/alive" 8<"$job/alive" 7>&-
read -r ignored <&8
kill $!
}
`;
}

/** Prints a part of the output: `length` bytes from the byte `from` on. */
export function readOutput(token: string, from: number, length: number, places: JobPlaces): string {
  return `{
${findRoot(places)}
tail -c +${from + 1} "$root/${token}/output" | head -c ${length}
}
`;
}

/** Ends the job and all it started: asks, waits up to `graceSeconds`, then kills. Processes that left the session are found by a mark in their environment. */
export function kill(token: string, graceSeconds: number, places: JobPlaces): string {
  return `{
${findRoot(places)}
job=$root/${token}
[ -f "$job/pid" ] || exit 0
read -r leader <"$job/pid"
kill -TERM -"$leader" 2>/dev/null
i=0
while kill -0 -"$leader" 2>/dev/null && [ $i -lt ${graceSeconds * 10} ]; do sleep 0.1; i=$((i + 1)); done
kill -KILL -"$leader" 2>/dev/null
for p in /proc/[0-9]*; do
  tr '\\0' '\\n' <"$p/environ" 2>/dev/null | grep -qxF 'IMGKIT_JOB=${token}' && kill -KILL "\${p#/proc/}" 2>/dev/null
done
exit 0
}
`;
}
