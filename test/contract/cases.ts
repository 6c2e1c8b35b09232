import { readFileSync } from 'node:fs';
import { packagePath } from '../../src/package.ts';
import { type Answer, addUser, logIn, PASSWORD, type TestApp } from '../helper.ts';

export interface Exchange {
  request: { method: string; path: string; headers?: Record<string, string>; body?: string };
  answer: { status: number; content_type?: string; body?: unknown; allow?: string; 'www-authenticate'?: string };
}
export interface Case {
  id: string;
  title: string;
  exchanges: Exchange[];
}

/** The exchanges that were recorded from the Django service. */
export const { cases }: { cases: Case[] } = JSON.parse(readFileSync(packagePath('test/contract/cases.json'), 'utf8'));

/** Makes what the exchanges take for granted, and gives the function that repeats a case. */
export async function prepareCases(service: TestApp) {
  await addUser(service, 'paul', { isSuperuser: true });
  const { id: inactiveId } = await addUser(service, 'inactive');
  const { token: inactiveToken } = await logIn(service, 'inactive');
  await service.app.prisma.user.update({ where: { id: inactiveId }, data: { isActive: false } });
  const variables: Record<string, string> = {
    ...(await logIn(service, 'paul')),
    username: 'paul',
    password: PASSWORD,
    inactive_username: 'inactive',
    inactive_password: PASSWORD,
    inactive_token: inactiveToken,
  };
  const json = { title: 'there from the start' };
  const first = await service.send('POST', '/api/v1/todo/', { json, authorization: `Token ${variables.token}` });

  /** Fills in what the recording left open. */
  const fill = (text: string) => text.replace(/\{\{(\w+)\}\}/g, (whole, name) => variables[name] ?? whole);

  async function repeat({ exchanges }: Case): Promise<Answer[]> {
    const answers: Answer[] = [];
    variables.id = String(first.body.id);
    for (const { request } of exchanges) {
      const headers = Object.entries(request.headers ?? {}).map(([name, value]) => [name, fill(value)]);
      const answer = await service.send(request.method, fill(request.path), {
        headers: Object.fromEntries(headers),
        ...(request.body == null ? {} : { body: fill(request.body) }),
      });
      if (request.path.endsWith('/create/') && answer.status === 201) variables.id = String(answer.body.id);
      answers.push(answer);
    }
    return answers;
  }

  return { fill, repeat };
}
