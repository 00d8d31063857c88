// node-casbin for bench/authz.py, which hands over sizes, seconds and the model, and has the same rules and questions.
import { newEnforcer, newModelFromString } from 'casbin';

const [sizes, seconds, model] = [JSON.parse(process.argv[2]), Number(process.argv[3]), process.argv[4]];

function question(size, n) {
  const roles = Math.floor(size / 11);
  const user = (n * 7919) % (9 * roles);
  const role = Math.floor(user / 9);
  const allowed = n % 2 === 0;
  return [`user${user}`, `data${allowed ? role : (role + 1) % roles}`, 'read', allowed];
}

for (const size of sizes) {
  const roles = Math.floor(size / 11);
  const upTo = (count) => [...Array(count).keys()];
  const enforcer = await newEnforcer(newModelFromString(model));
  await enforcer.addPolicies(upTo(roles).map((n) => [`role${n}`, `group${n}`, 'read']));
  await enforcer.addNamedGroupingPolicies('g', upTo(9 * roles).map((n) => [`user${n}`, `role${Math.floor(n / 9)}`]));
  await enforcer.addNamedGroupingPolicies('g2', upTo(roles).map((n) => [`data${n}`, `group${n}`]));
  let wrong = 0;
  for (let n = 0; n < 4; n++) if ((await enforcer.enforce(...question(size, n).slice(0, 3))) !== question(size, n)[3]) wrong++;
  const taken = [];
  const began = performance.now();
  while (performance.now() - began < seconds * 1000 || taken.length < 5) {
    const before = performance.now();
    await enforcer.enforce(...question(size, taken.length).slice(0, 3));
    taken.push((performance.now() - before) * 1000);
  }
  const total = taken.reduce((sum, each) => sum + each, 0);
  taken.sort((a, b) => a - b);
  console.log(JSON.stringify({ measured: 'node-casbin', rules: size, decisions_per_second: Math.round(taken.length / total * 1e7) / 10, p50_us: taken[taken.length >> 1], wrong }));
}
