import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Page } from 'playwright-core';
import { openPage } from '../browser.ts';
import { addUser, build, logIn } from '../helper.ts';

test('the policy of the page lets in nothing inline and nothing from elsewhere', async (t) => {
  const { send } = await build(t);
  for (const path of ['/docs', '/docs/', '/docs/static/swagger-ui.css']) {
    const { status, headers } = await send('GET', path);
    assert.equal(status, 200, path);
    const directives = String(headers['content-security-policy']).split('; ');
    assert.equal(directives[0], "default-src 'none'");
    for (const directive of directives) assert.match(directive, /^[a-z]+(-[a-z]+)+ ('none'|'self'( data:)?)$/);
  }
});

for (const path of ['/docs', '/docs/']) {
  test(`the API is tried out in a browser at ${path}`, async (t) => {
    const visit = await openPage(t);
    if (!visit) return;
    const { page, complaints, requested } = visit;
    const service = await build(t);
    await addUser(service, 'paul');
    const { token, access } = await logIn(service, 'paul');

    await page.goto(service.origin + path);
    assert.equal(await page.title(), 'todo-api');
    await page.locator('#operations-Todos-listTodos').waitFor();
    assert.deepEqual(await page.locator('.opblock-tag').evaluateAll(TAGS), [
      'Tokens',
      'JWT',
      'Sessions',
      'Accounts',
      'Todos',
      'Todos, original paths',
      'Health',
    ]);

    await authorize(page, 'tokenAuth', `Token ${token}`);
    const created = await tryOut(page, 'createTodo', JSON.stringify({ title: 'Seen in a browser' }));
    assert.equal(created.authorization, `Token ${token}`);
    assert.equal(created.status, '201');
    assert.equal(created.body.title, 'Seen in a browser');
    const listed = await tryOut(page, 'listTodos');
    assert.equal(listed.authorization, `Token ${token}`);
    assert.equal(listed.status, '200');
    assert.deepEqual(listed.body, [created.body]);

    await logOut(page, 'tokenAuth');
    await authorize(page, 'jwtAuth', access);
    const again = await tryOut(page, 'listTodos');
    assert.equal(again.authorization, `Bearer ${access}`);
    assert.equal(again.status, '200');
    assert.deepEqual(again.body, [created.body]);

    assert.deepEqual(complaints, []);
    const elsewhere = requested.filter(({ origin, protocol }) => origin !== service.origin && protocol !== 'data:');
    assert.deepEqual(elsewhere, []);
  });
}

const TAGS = (tags: { getAttribute(name: string): string | null }[]) => tags.map((tag) => tag.getAttribute('data-tag'));

async function openAuthorization(page: Page, scheme: string) {
  await page.locator('.auth-wrapper .authorize').click();
  return page.locator('.dialog-ux .auth-container', { hasText: scheme });
}

async function authorize(page: Page, scheme: string, value: string) {
  const form = await openAuthorization(page, scheme);
  await form.locator('input').fill(value);
  await form.getByRole('button', { name: 'Apply credentials' }).click();
  await page.locator('.dialog-ux .close-modal').click();
}

async function logOut(page: Page, scheme: string) {
  const form = await openAuthorization(page, scheme);
  await form.getByRole('button', { name: 'Remove authorization' }).click();
  await page.locator('.dialog-ux .close-modal').click();
}

/** Executes an operation by the page's own buttons: what it sent, and the answer that it shows. */
async function tryOut(page: Page, operationId: string, body?: string) {
  const operation = page.locator(`.opblock[id$="-${operationId}"]`);
  const execute = operation.locator('button.execute');
  if (!(await execute.isVisible())) await operation.locator('.opblock-summary-control').click();
  const clear = operation.locator('button.btn-clear');
  if (await clear.isVisible()) await clear.click();
  if (body !== undefined) await operation.locator('textarea.body-param__text').fill(body);
  const sent = page.waitForRequest((request) => new URL(request.url()).pathname.startsWith('/api/'));
  await execute.click();
  const answer = operation.locator('.live-responses-table .response');
  return {
    authorization: await (await sent).headerValue('authorization'),
    status: (await answer.locator('.response-col_status').innerText()).trim(),
    body: JSON.parse(await answer.locator('.highlight-code code').first().innerText()),
  };
}
