import type { Budget } from './budget.ts';
import { applyFilter } from './filters.ts';
import { GLOBALS } from './globals.ts';
import { itemOf, memberOf, sliceOf } from './members.ts';
import { operate } from './operators.ts';
import { Scope } from './scope.ts';
import { numeric } from './format.ts';
import type { CallNode, FilterNode, MemberNode, Node, ParameterNode } from './syntax.ts';
import { test } from './tests.ts';
import {
  Callable,
  Float,
  Namespace,
  TemplateError,
  Tuple,
  asNumber,
  isMap,
  isTrue,
  iterate,
  toText,
  typeName,
} from './values.ts';
import type { Arguments, Key, Value } from './values.ts';
import { TEST_PREFIX, NEGATED_TEST_PREFIX } from './parse.ts';

const CONSTANTS: Readonly<Record<string, Value>> = {
  true: true,
  True: true,
  false: false,
  False: false,
  none: null,
  None: null,
};

type Flow = 'break' | 'continue' | undefined;

/** Runs a parsed template as jinja2 does, within a budget. */
export class Interpreter {
  readonly #budget: Budget;
  #output: string[] = [];
  #outputLength = 0;

  constructor(budget: Budget) {
    this.#budget = budget;
  }

  /** Renders a program with variables. */
  run(program: readonly Node[], variables: ReadonlyMap<string, Value>): string {
    const scope = new Scope();
    for (const [name, value] of Object.entries(GLOBALS)) scope.set(name, value);
    for (const [name, value] of variables) scope.set(name, value);
    return this.#capture(() => void this.#block(program, new Scope(scope)));
  }

  /** Runs `body` and returns its output. */
  #capture(body: () => void): string {
    const [output, length] = [this.#output, this.#outputLength];
    this.#output = [];
    this.#outputLength = 0;
    body();
    const text = this.#output.join('');
    this.#output = output;
    this.#outputLength = length;
    return text;
  }

  #write(text: string): void {
    this.#outputLength += text.length;
    this.#budget.spendText(text.length);
    this.#budget.checkLength(this.#outputLength);
    this.#output.push(text);
  }

  #block(nodes: readonly Node[], scope: Scope): Flow {
    for (const node of nodes) {
      const flow = this.#statement(node, scope);
      if (flow) return flow;
    }
    return undefined;
  }

  #statement(node: Node, scope: Scope): Flow {
    this.#budget.spend();
    switch (node.type) {
      case 'Comment':
        return undefined;
      case 'Break':
        return 'break';
      case 'Continue':
        return 'continue';
      case 'If':
        return this.#block(isTrue(this.#evaluate(node.test, scope)) ? node.body : node.alternate, scope);
      case 'For':
        this.#loop(node, scope);
        return undefined;
      case 'Set':
        this.#assign(node, scope);
        return undefined;
      case 'Macro':
        scope.set(node.name.value, this.#macro(node.args, node.body, scope));
        return undefined;
      case 'CallStatement': {
        const caller = this.#macro(node.callerArgs ?? [], node.body, scope);
        const args = this.#arguments(node.call, scope);
        args.named.set('caller', caller);
        this.#write(toText(this.#call(this.#evaluate(node.call.callee, scope), args)));
        return undefined;
      }
      case 'FilterStatement': {
        const text = this.#capture(() => void this.#block(node.body, new Scope(scope)));
        this.#write(toText(this.#filter(text, node.filter, scope)));
        return undefined;
      }
      default:
        this.#write(toText(this.#evaluate(node, scope)));
        return undefined;
    }
  }

  #loop(node: Extract<Node, { type: 'For' }>, scope: Scope): void {
    const names = targetNames(node.loopvar);
    const source = node.iterable.type === 'SelectExpression' ? node.iterable.lhs : node.iterable;
    let items = iterate(this.#evaluate(source, scope));
    this.#budget.spend(items.length);
    if (node.iterable.type === 'SelectExpression') {
      const { test: condition } = node.iterable;
      items = items.filter((item) => {
        const inner = new Scope(scope);
        inner.assign(names, item, iterate);
        return isTrue(this.#evaluate(condition, inner));
      });
    }
    if (items.length === 0) {
      this.#block(node.defaultBlock, new Scope(scope));
      return;
    }
    const depth = loopDepth(scope.get('loop')) + 1;
    for (const [index, item] of items.entries()) {
      const inner = new Scope(scope);
      inner.assign(names, item, iterate);
      inner.set('loop', loopVariable(items, index, depth));
      if (this.#block(node.body, inner) === 'break') return;
    }
  }

  #assign({ assignee, value, body }: Extract<Node, { type: 'Set' }>, scope: Scope): void {
    const assigned = value
      ? this.#evaluate(value, scope)
      : this.#capture(() => void this.#block(body, new Scope(scope)));
    if (assignee.type !== 'MemberExpression') {
      scope.assign(targetNames(assignee), assigned, iterate);
      return;
    }
    const object = this.#evaluate(assignee.object, scope);
    if (!(object instanceof Namespace) || assignee.property.type !== 'Identifier') {
      throw new TemplateError('cannot assign attribute on non-namespace object');
    }
    object.values.set(assignee.property.value, assigned);
  }

  #macro(parameters: readonly ParameterNode[], body: readonly Node[], scope: Scope): Callable {
    const names = parameters.map((parameter) =>
      parameter.type === 'Identifier' ? parameter.value : parameter.key.value,
    );
    const used = namesIn(body);
    return new Callable(({ positional, named }) =>
      this.#budget.nested(() => {
        const inner = new Scope(scope);
        const rest = new Map(named);
        parameters.forEach((parameter, i) => {
          const name = names[i];
          const given = i < positional.length || rest.has(name);
          const value = i < positional.length ? positional[i] : rest.get(name);
          rest.delete(name);
          const fallback = parameter.type === 'Identifier' ? undefined : parameter.value;
          inner.set(name, given || !fallback ? value : this.#evaluate(fallback, inner));
        });
        inner.set('caller', rest.get('caller'));
        rest.delete('caller');
        if (used.has('varargs')) inner.set('varargs', new Tuple(positional.slice(names.length)));
        else if (positional.length > names.length) throw new TemplateError('a macro got too many arguments');
        if (used.has('kwargs')) inner.set('kwargs', rest);
        else if (rest.size > 0)
          throw new TemplateError(`a macro got an unexpected argument '${[...rest.keys()][0]}'`);
        return this.#capture(() => void this.#block(body, inner));
      }),
    );
  }

  #evaluate(node: Node, scope: Scope): Value {
    this.#budget.spend();
    switch (node.type) {
      case 'StringLiteral':
        return node.value;
      case 'IntegerLiteral':
        return numeric(node.value, false);
      case 'FloatLiteral':
        return new Float(node.value);
      case 'ArrayLiteral':
        return node.value.map((item) => this.#evaluate(item, scope));
      case 'TupleLiteral':
        return new Tuple(node.value.map((item) => this.#evaluate(item, scope)));
      case 'ObjectLiteral':
        return new Map(
          [...node.value].map(([key, value]) => [
            this.#evaluate(key, scope) as Key,
            this.#evaluate(value, scope),
          ]),
        );
      case 'Identifier':
        return Object.hasOwn(CONSTANTS, node.value) ? CONSTANTS[node.value] : scope.get(node.value);
      case 'MemberExpression':
        return this.#member(node, scope);
      case 'CallExpression':
        return this.#call(this.#evaluate(node.callee, scope), this.#arguments(node, scope));
      case 'FilterExpression':
        return this.#filter(this.#evaluate(node.operand, scope), node.filter, scope);
      case 'TestExpression':
        return test(node.test.value, this.#evaluate(node.operand, scope)) !== node.negate;
      case 'UnaryExpression':
        return this.#unary(node.operator.value, this.#evaluate(node.argument, scope));
      case 'BinaryExpression':
        return this.#binary(node, scope);
      case 'Ternary':
        return this.#evaluate(
          isTrue(this.#evaluate(node.condition, scope)) ? node.trueExpr : node.falseExpr,
          scope,
        );
      case 'SelectExpression':
        return isTrue(this.#evaluate(node.test, scope)) ? this.#evaluate(node.lhs, scope) : undefined;
      default:
        throw new TemplateError(`unexpected ${node.type}`);
    }
  }

  #member({ object, property, computed }: MemberNode, scope: Scope): Value {
    const value = this.#evaluate(object, scope);
    if (!computed) {
      if (property.type === 'Identifier') return memberOf(value, property.value);
      return itemOf(value, this.#evaluate(property, scope));
    }
    if (property.type !== 'SliceExpression') return itemOf(value, this.#evaluate(property, scope));
    const [start, stop, step] = [property.start, property.stop, property.step].map((bound) =>
      bound ? this.#evaluate(bound, scope) : undefined,
    );
    if (typeof value === 'string' || Array.isArray(value)) this.#budget.spend(value.length);
    return sliceOf(value, start, stop, step);
  }

  #arguments({ args }: CallNode, scope: Scope): Arguments {
    const positional: Value[] = [];
    const named = new Map<string, Value>();
    for (const arg of args) {
      if (arg.type === 'KeywordArgumentExpression') {
        named.set(arg.key.value, this.#evaluate(arg.value, scope));
      } else if (arg.type === 'SpreadExpression') {
        positional.push(...iterate(this.#evaluate(arg.argument, scope)));
      } else if (arg.type === 'KeywordSpreadExpression') {
        const value = this.#evaluate(arg.argument, scope);
        if (!isMap(value)) throw new TemplateError('argument after ** must be a mapping');
        for (const [key, item] of value) named.set(toText(key), item);
      } else {
        positional.push(this.#evaluate(arg, scope));
      }
    }
    return { positional, named };
  }

  #call(callee: Value, args: Arguments): Value {
    if (!(callee instanceof Callable))
      throw new TemplateError(`'${typeName(callee)}' object is not callable`);
    for (const arg of args.positional) this.#budget.spend(typeof arg === 'string' ? arg.length / 16 : 1);
    const result = callee.call(args);
    if (typeof result === 'string') this.#budget.spendText(result.length);
    else if (Array.isArray(result)) this.#budget.spend(result.length);
    return result;
  }

  #filter(value: Value, filter: FilterNode, scope: Scope): Value {
    const [callee, args] =
      filter.type === 'Identifier'
        ? [filter, { positional: [], named: new Map<string, Value>() }]
        : [filter.callee, this.#arguments(filter, scope)];
    if (callee.type !== 'Identifier') throw new TemplateError('a filter must have a name');
    const name = callee.value;
    if (name.startsWith(TEST_PREFIX)) return test(name.slice(TEST_PREFIX.length), value, args);
    if (name.startsWith(NEGATED_TEST_PREFIX))
      return !test(name.slice(NEGATED_TEST_PREFIX.length), value, args);
    return applyFilter(name, value, args, { budget: this.#budget });
  }

  #unary(operator: string, value: Value): Value {
    if (operator === 'not') return !isTrue(value);
    const number = asNumber(value);
    if (number === undefined)
      throw new TemplateError(`bad operand type for unary ${operator}: '${typeName(value)}'`);
    return numeric(operator === '-' ? -number : number, value instanceof Float);
  }

  #binary({ operator, left, right }: Extract<Node, { type: 'BinaryExpression' }>, scope: Scope): Value {
    const first = this.#evaluate(left, scope);
    if (operator.value === 'and') return isTrue(first) ? this.#evaluate(right, scope) : first;
    if (operator.value === 'or') return isTrue(first) ? first : this.#evaluate(right, scope);
    return operate(operator.value, first, this.#evaluate(right, scope), this.#budget);
  }
}

function targetName(node: Node): string {
  if (node.type !== 'Identifier') throw new TemplateError('cannot assign to this');
  return node.value;
}

function targetNames(target: Node): string | string[] {
  return target.type === 'TupleLiteral' ? target.value.map(targetName) : targetName(target);
}

/** Every name in some nodes. It tells whether a macro uses `varargs` or `kwargs`. */
function namesIn(nodes: readonly Node[]): ReadonlySet<string> {
  const names = new Set<string>();
  const visit = (value: unknown): void => {
    if (Array.isArray(value)) value.forEach(visit);
    else if (value instanceof Map) [...value].forEach(visit);
    else if (typeof value === 'object' && value !== null) {
      const node = value as Node;
      if (node.type === 'Identifier') names.add(node.value);
      Object.values(value).forEach(visit);
    }
  };
  visit(nodes);
  return names;
}

function loopDepth(loop: Value): number {
  const depth = isMap(loop) ? loop.get('depth') : undefined;
  return typeof depth === 'number' ? depth : 0;
}

function loopVariable(items: readonly Value[], index: number, depth: number): ReadonlyMap<Key, Value> {
  const { length } = items;
  return new Map<Key, Value>([
    ['index', index + 1],
    ['index0', index],
    ['revindex', length - index],
    ['revindex0', length - index - 1],
    ['first', index === 0],
    ['last', index === length - 1],
    ['length', length],
    ['previtem', index > 0 ? items[index - 1] : undefined],
    ['nextitem', items[index + 1]],
    ['depth', depth],
    ['depth0', depth - 1],
    ['cycle', new Callable(({ positional }) => positional[index % positional.length])],
  ]);
}
