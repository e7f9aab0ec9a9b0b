#!/usr/bin/env node
// Reads the simulator with node-marketo-rest, a public client of Marketo's REST API that takes any endpoint as a setting: nothing of it is
// touched. Needs the simulator's first line of output, and the client installed in the current directory:
//
//     npm install node-marketo-rest@0.7.8
//     node node-marketo-rest-judge.mjs "$(head -n 1 simulator.out)"
//
// Exit code 0 only if every check holds.

import assert from 'node:assert/strict';
import { createRequire } from 'node:module';

const Marketo = createRequire(`${process.cwd()}/`)('node-marketo-rest');
const told = JSON.parse(process.argv[2]);
const client = new Marketo({
  endpoint: `${told.base_url}/rest`,
  identity: `${told.base_url}/identity`,
  clientId: told.client_id,
  clientSecret: told.client_secret,
});
const truth = (await (await fetch(`${told.base_url}/_control/leads`)).text()).trimEnd().split('\n').map(JSON.parse);

const fields = (await client.lead.describe()).result.filter((field) => field.rest).map((field) => field.rest.name);
assert.deepEqual([...fields].sort(), Object.keys(truth[0]).sort());

const windowFrom = (days) => new Date(Date.parse(told.now) - days * 86_400_000).toISOString().replace('.000', '');
const read = new Set();
for (const [from, to] of [[61, 31], [31, 1], [1, -1]]) {
  const created = await client.bulkLeadExtract.create(['id'], { createdAt: { startAt: windowFrom(from), endAt: windowFrom(to) } });
  const { exportId } = created.result[0];
  await client.bulkLeadExtract.enqueue(exportId);
  let job;
  do {
    await new Promise((resolve) => setTimeout(resolve, 250));
    [job] = (await client.bulkLeadExtract.status(exportId)).result;
  } while (['Queued', 'Processing'].includes(job.status));
  assert.equal(job.status, 'Completed');
  const file = String(await client.bulkLeadExtract.file(exportId));
  const ids = file.trimEnd().split('\n').slice(1);
  assert.equal(ids.length, job.numberOfRecords);
  ids.forEach((id) => read.add(Number(id)));
}
assert.deepEqual([...read], truth.map((lead) => lead.id));

const known = truth.filter((lead) => lead.email).slice(0, 20);
const found = await client.lead.find('email', known.map((lead) => lead.email), { fields: ['id', 'email'] });
const byId = new Map(found.result.map((lead) => [lead.id, lead.email]));
assert.deepEqual(known.map((lead) => byId.get(lead.id)), known.map((lead) => lead.email));

const [written] = (await client.lead.createOrUpdate([{ email: 'judge@judge.example', firstName: 'Judy' }])).result;
assert.equal(written.status, 'created');
assert.equal((await client.lead.byId(written.id, { fields: ['firstName'] })).result[0].firstName, 'Judy');
assert.ok((await client.activities.getActivityTypes()).result.some((type) => type.id === 13));
console.log('the simulator is read as a Marketo instance');
