import { describe, expect, test } from '@jest/globals';
import { tokenizerFixtures } from '../../testing/tokenizer_fixtures.ts';
import { Template, TemplateError } from './index.ts';
import { strftime } from './strftime.ts';

const { conversations, strftime: dates, templates, variables } = tokenizerFixtures();

/** What transformers passes besides the variables of the fixtures. */
const given = {
  ...variables,
  messages: conversations[2].messages,
  tools: null,
  documents: null,
  add_generation_prompt: true,
};

function render(template: string): string | null {
  try {
    return new Template(template).render(given);
  } catch (error) {
    if (!(error instanceof TemplateError)) throw error;
    return null;
  }
}

/** What jinja2 renders and no chat template is known to use: refused here, never rendered otherwise. */
const REFUSED = ['{% raw %}', '{%+', '{% with', '(1,)', '12345678901234567890'];

describe('templates render as in transformers', () => {
  test.each(templates)('$template', ({ template, text }) => {
    const isRefused = REFUSED.some((beginning) => template.includes(beginning));
    expect(render(template)).toBe(isRefused ? null : text);
  });
});

describe('a template that would not end is stopped in time', () => {
  const endless = [
    '{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}',
    '{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}',
    '{% macro m() %}{{ m() }}{{ m() }}{% endmacro %}{{ m() }}',
    "{% set ns = namespace(s='x') %}{% for i in range(100) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}",
    "{% set ns = namespace(s='x') %}{% for i in range(100) %}{% set ns.s = ns.s.replace('x', 'xx') %}{% endfor %}",
    '{% set ns = namespace(l=[1]) %}{% for i in range(100) %}{% set ns.l = ns.l + ns.l %}{% endfor %}',
    "{{ 'x' * 10000000000 }}",
    "{{ ('x' * 1000000) | list | join('y' * 1000000) }}",
    "{{ ('x\\n' * 1000000) | indent(100000) }}",
    '{{ range(100000) | list * 100000 }}',
    '{{ range(1000000000000) }}',
    "{{ '%1000000000s' | format('x') }}",
    "{% for a in range(100000) %}{{ 'x' * 1000 }}{% endfor %}",
    "{% for a in range(100000) %}{{ ('x' * 100000) | upper | length }}{% endfor %}",
    '{{ range(100000) | map("string") | list | unique | list | length }}{% for i in range(9999) %}{{ range(100000) | sort }}{% endfor %}',
    '{{ ' + '('.repeat(100_000),
    '{{ ' + '-'.repeat(100_000) + '1 }}',
    '{{ ' + 'not '.repeat(100_000) + '1 }}',
    '{% if 1 %}'.repeat(20_000),
    ' '.repeat(1_000_000) + '{% generation %}',
    'x'.repeat(3_000_000),
  ];
  test.each(endless)('%.100s', (template) => {
    const begin = performance.now();
    expect(render(template) === null).toBe(true); // not toBeNull, which would print it
    expect(performance.now() - begin).toBeLessThan(10_000);
  });
});

test('dates are written as Python writes them', () => {
  const written = dates.map(([date, format]) => [date, format, strftime(new Date(date), format)]);
  expect(written).toEqual(dates);
  expect(() => strftime(new Date(), '%Q')).toThrow(TemplateError);
});
