// Runs tests, an object of sentence -> function, one after another, each with a deadline; prints a
// line for each.  Returns how many failed.
const DEADLINE_MS = 20000;

export async function run(tests) {
  let failed = 0;
  for (const [name, test] of Object.entries(tests)) {
    const began = Date.now();
    let timer;
    const late = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new Error("took too long")), DEADLINE_MS);
    });
    try {
      await Promise.race([test(), late]);
      console.log(`ok ${name} (${Date.now() - began} ms)`);
    } catch (error) {
      console.log(`not ok ${name}\n${error.stack}`);
      failed++;
    }
    clearTimeout(timer);
  }
  return failed;
}

// The condition's first true value; it is looked at again and again.
export async function until(condition, what) {
  const end = Date.now() + DEADLINE_MS / 2;
  for (;;) {
    const value = condition();
    if (value) return value;
    if (Date.now() > end) throw new Error(`did not come true: ${what ?? condition}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}
