// Checks that are counted: a line for each, and none that hangs. Not here: any expectation.
let failed = 0;

export async function check(name, fn, seconds = 60) {
  let timer;
  const late = new Promise((_, no) => {
    timer = setTimeout(() => no(new Error(`no end after ${seconds} s`)), seconds * 1000);
  });
  try {
    const said = await Promise.race([fn(), late]);
    console.log(`ok    ${name}${typeof said === 'string' ? `: ${said}` : ''}`);
  } catch (e) {
    failed++;
    console.log(`FAIL  ${name}: ${e?.message ?? e}`);
  } finally {
    clearTimeout(timer);
  }
}

export const exitCode = () => (failed > 0 ? 1 : 0);
