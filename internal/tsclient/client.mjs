// Calls every tool of a server with the official TypeScript SDK, which validates each structured answer against the
// tool's output schema, and makes sure that it does.
//
//   node client.mjs [--all] COMMAND [ARG ...]
//
// With --all it is an error if one of the ten tools, or an argument that is used here, is not offered; otherwise it is
// left out with a line. The database of COMMAND should be new.
import assert from 'node:assert/strict';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { AjvJsonSchemaValidator } from '@modelcontextprotocol/sdk/validation/ajv';

const argv = process.argv.slice(2);
const all = argv[0] === '--all' && argv.shift() !== undefined;
const [command, ...args] = argv;
if (command === undefined) {
  console.error('usage: node client.mjs [--all] COMMAND [ARG ...]');
  process.exit(2);
}

const tools = [
  'write_item', 'read_item', 'list_items', 'set_blocked', 'bump_retry',
  'claim_item', 'release_item', 'advance_item', 'delete_item', 'wait_for_change',
];

// Validator is the SDK's own. It counts, and holds each answer also against a schema that forbids all that the schema
// allows: a validator that takes the answer then does not look at it.
class Validator {
  validated = 0;
  #ajv = new AjvJsonSchemaValidator();
  getValidator(schema) {
    const nothing = Object.fromEntries(Object.keys(schema.properties).map((name) => [name, { not: {} }]));
    const good = this.#ajv.getValidator(schema);
    const broken = [{ ...schema, properties: nothing }, { ...schema, required: ['no_such_field'] }].map((s) => this.#ajv.getValidator(s));
    return (answer) => {
      this.validated++;
      for (const validate of broken) {
        assert.equal(validate(answer).valid, false, `a broken schema takes ${JSON.stringify(answer)}`);
      }
      return good(answer);
    };
  }
}

async function connect() {
  const validator = new Validator();
  const client = new Client({ name: 'tsclient', version: '1' }, { jsonSchemaValidator: validator });
  client.validator = validator;
  await client.connect(new StdioClientTransport({ command, args, stderr: 'inherit' }));
  client.offered = new Map((await client.listTools()).tools.map((tool) => [tool.name, tool]));
  return client;
}

const missing = new Set();
const called = new Map();

// call makes a call and returns the structured answer; undefined if the tool is not offered. An argument that is not
// offered is left out. With fails, the tool must answer an error with that text.
async function call(client, name, given, fails) {
  const tool = client.offered.get(name);
  if (tool === undefined) {
    missing.add(name);
    return undefined;
  }
  assert.ok(tool.outputSchema, `${name} has no output schema`);
  const args = {};
  for (const [key, value] of Object.entries(given)) {
    if (key in tool.inputSchema.properties || (fails && key.startsWith('no_such'))) args[key] = value;
    else missing.add(`${name}.${key}`);
  }
  const before = client.validator.validated;
  const answer = await client.callTool({ name, arguments: args });
  called.set(name, (called.get(name) ?? 0) + 1);
  const text = answer.content.map((c) => c.text).join('');
  const at = `${name} ${JSON.stringify(args)}: ${text}`;
  if (fails !== undefined) {
    assert.ok(answer.isError, `${at}\nis no error`);
    assert.match(text, fails, at);
    return undefined;
  }
  assert.ok(!answer.isError, at);
  assert.equal(client.validator.validated, before + 1, `${at}\nwas not validated`);
  assert.deepEqual(JSON.parse(text), answer.structuredContent, `${at}\nsays something else as text`);
  return answer.structuredContent;
}

// life takes stories through all that the tools do.
async function life(c, other) {
  const agent = 'coder-1';
  let a = await call(c, 'write_item', { name: 'Add a login', type: 'story', description: '# Login\n\nWith *passkeys*.', note: 'asked for by sales' });
  assert.equal(a.created, true);
  const login = a.item.story_id;
  assert.match(login, /^\d+_story_add_a_login$/);
  const number = Number.parseInt(login, 10);
  a = await call(c, 'write_item', { story_id: '50_bug_logout', stage: '1_backlog', name: 'Größe <1> & \u2028', depends_on: [number], after: login });
  a = await call(c, 'write_item', { story_id: '50_bug_logout', name: 'Log out', if_rev: a.item.rev });
  await call(c, 'write_item', { story_id: '50_bug_logout', name: 'Again', if_rev: '000000000000' }, /moved on/);
  await call(c, 'write_item', { story_id: 'ü' }, /story_id/);
  await call(c, 'write_item', { story_id: login, stage: '5_don' }, /5_done/);
  await call(c, 'write_item', { story_id: login, no_such_argument: 1 }, /no_such_argument/);

  await call(c, 'read_item', { story_id: login, history: 5 });
  await call(c, 'read_item', { story_id: '50_bug_logout' });
  await call(c, 'read_item', { story_id: '99_nothing' }, /there is no story/);
  await call(c, 'read_item', {}, /story_id/);
  a = await call(c, 'list_items', { limit: 1 });
  assert.equal(a.total, 2);
  await call(c, 'list_items', { cursor: a.next_cursor });
  await call(c, 'list_items', { stage: '1_backlog', ready: true, query: 'login' });
  await call(c, 'list_items', { agent: 'nobody', blocked: false });
  await call(c, 'list_items', { cursor: 'nonsense' }, /cursor/);

  await call(c, 'set_blocked', { story_id: login, blocked: true, reason: 'no key' });
  await call(c, 'claim_item', { story_id: login, agent }, /blocked: no key/);
  await call(c, 'advance_item', { story_id: login, agent }, /you hold no claim/);
  await call(c, 'advance_item', { story_id: login, to: '3_qa', agent }, /blocked/);
  a = await call(c, 'claim_item', { agent });
  if (a) assert.equal(a.claimed, false, JSON.stringify(a)); // one is blocked, the other waits
  await call(c, 'set_blocked', { story_id: login, blocked: false });
  await call(c, 'set_blocked', { story_id: '99_nothing', blocked: true }, /there is no story/);
  await call(c, 'bump_retry', { story_id: login });
  a = await call(c, 'bump_retry', { story_id: login, by: 5 });
  assert.equal(a.blocked_by_limit, true);
  await call(c, 'bump_retry', { story_id: login, by: -1 }, /by/);
  await call(c, 'write_item', { story_id: login, retry_count: 0, blocked: false });

  a = await call(c, 'claim_item', { agent });
  if (a) {
    assert.equal(a.item.story_id, login);
    assert.equal(a.item.stage, '2_current');
    await claimed(c, other, login, agent, a.claim);
  }
  await call(c, 'delete_item', { story_id: '50_bug_logout' });
  if (c.offered.has('delete_item')) await call(c, 'read_item', { story_id: '50_bug_logout' }, /deleted/);
  await call(c, 'delete_item', { story_id: '50_bug_logout', restore: true });
  await call(c, 'delete_item', { story_id: '99_nothing' }, /there is no story/);
}

// claimed goes on with a story that the agent has.
async function claimed(c, other, story, agent, claim) {
  let a = await call(c, 'claim_item', { story_id: story, agent });
  assert.equal(a.renewed, true);
  await call(other, 'claim_item', { story_id: story, agent: 'coder-2' }, /coder-1/);
  a = await call(other, 'claim_item', { agent: 'coder-2', wait_seconds: 1 });
  assert.equal(a.claimed, false);
  await call(other, 'claim_item', { agent: 'null' }, /is not a name/);
  await call(c, 'read_item', { story_id: story });
  await call(c, 'write_item', { story_id: story, name: 'Add a login page', agent, claim, note: 'half done' });
  await call(other, 'advance_item', { story_id: story, agent: 'coder-2' }, /coder-1/);
  await call(c, 'release_item', { story_id: story, agent, claim, note: 'gives up' });
  await call(c, 'advance_item', { story_id: story, agent, claim }, /has ended/);
  await call(c, 'write_item', { story_id: story, name: 'Late', claim }, /has ended/);
  await call(other, 'claim_item', { story_id: story, stage: '3_qa', agent }, /not in 3_qa/);
  a = await call(c, 'claim_item', { story_id: story, agent, lease_seconds: 60 });
  await call(c, 'advance_item', { story_id: story, agent, claim: a.claim, note: 'to be tested' });
  a = await call(c, 'claim_item', { stage: '3_qa', agent: 'qa-1', lease_seconds: 1 });
  assert.equal(a.item.stage, '3_qa');
  await new Promise((resolve) => setTimeout(resolve, 1500)); // longer than the lease
  a = await call(other, 'claim_item', { story_id: story, agent: 'qa-2' });
  assert.equal(a.taken_over_from, 'qa-1');
  await call(other, 'advance_item', { story_id: story, to: '2_current', agent: 'qa-2', claim: a.claim });
  await call(c, 'advance_item', { story_id: story, to: '5_done', agent });
  await call(c, 'advance_item', { story_id: story, to: 'nowhere', agent }, /1_backlog/);
  await call(c, 'release_item', { story_id: '99_nothing', agent }, /there is no story/);
}

// waits has one process wait for what another does.
async function waits(c, other) {
  if (!c.offered.has('wait_for_change')) {
    missing.add('wait_for_change');
    return;
  }
  const { cursor } = await call(c, 'list_items', {});
  assert.equal(typeof cursor, 'string');
  let a = await call(c, 'wait_for_change', { since: cursor, timeout_seconds: 1 });
  assert.equal(a.cursor, cursor);
  const waiting = call(c, 'wait_for_change', { since: cursor, story_id: '60_spike_wait', timeout_seconds: 30 });
  await call(other, 'write_item', { story_id: '61_spike_other', stage: '1_backlog' });
  await call(other, 'write_item', { story_id: '60_spike_wait', stage: '1_backlog' });
  a = await waiting;
  assert.notEqual(a.cursor, cursor);
  await call(c, 'wait_for_change', { since: cursor, stage: '1_backlog' });
  await call(c, 'wait_for_change', { since: 'nonsense' }, /since/);
  await call(c, 'wait_for_change', { since: cursor, timeout_seconds: 51 }, /50/);
}

const [one, two] = [await connect(), await connect()];
try {
  for (const name of one.offered.keys()) assert.ok(tools.includes(name), `${name} is not called here`);
  await life(one, two);
  await waits(one, two);
} finally {
  await Promise.all([one.close(), two.close()]);
}
for (const name of missing) console.log(`not offered: ${name}`);
for (const [name, n] of called) console.log(`${name}: ${n} calls`);
console.log(`${one.validator.validated + two.validator.validated} answers fit their schemas`);
if (all && missing.size > 0) process.exitCode = 1;
