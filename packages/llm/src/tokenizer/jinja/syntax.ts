/** Nodes of a parsed template, as returned by `parse` of @huggingface/jinja, which does not export their types. */
export type Node =
  | { type: 'Program'; body: Node[] }
  | { type: 'If'; test: Node; body: Node[]; alternate: Node[] }
  | { type: 'For'; loopvar: Target; iterable: Node; body: Node[]; defaultBlock: Node[] }
  | { type: 'Set'; assignee: Node; value: Node | null; body: Node[] }
  | { type: 'Macro'; name: IdentifierNode; args: ParameterNode[]; body: Node[] }
  | { type: 'CallStatement'; call: CallNode; callerArgs: ParameterNode[] | null; body: Node[] }
  | { type: 'FilterStatement'; filter: FilterNode; body: Node[] }
  | { type: 'Break' | 'Continue' | 'Comment' }
  | { type: 'IntegerLiteral' | 'FloatLiteral'; value: number }
  | { type: 'StringLiteral'; value: string }
  | { type: 'ArrayLiteral'; value: Node[] }
  | TupleNode
  | { type: 'ObjectLiteral'; value: Map<Node, Node> }
  | IdentifierNode
  | MemberNode
  | CallNode
  | { type: 'BinaryExpression'; operator: { value: string }; left: Node; right: Node }
  | { type: 'UnaryExpression'; operator: { value: string }; argument: Node }
  | { type: 'FilterExpression'; operand: Node; filter: FilterNode }
  | { type: 'TestExpression'; operand: Node; negate: boolean; test: IdentifierNode }
  | { type: 'SelectExpression'; lhs: Node; test: Node }
  | { type: 'Ternary'; condition: Node; trueExpr: Node; falseExpr: Node }
  | { type: 'SliceExpression'; start?: Node; stop?: Node; step?: Node }
  | KeywordNode
  | { type: 'SpreadExpression' | 'KeywordSpreadExpression'; argument: Node };

export interface IdentifierNode {
  type: 'Identifier';
  value: string;
}

export interface TupleNode {
  type: 'TupleLiteral';
  value: Node[];
}

export interface MemberNode {
  type: 'MemberExpression';
  object: Node;
  property: Node;
  computed: boolean;
}

export interface CallNode {
  type: 'CallExpression';
  callee: Node;
  args: Node[];
}

export interface KeywordNode {
  type: 'KeywordArgumentExpression';
  key: IdentifierNode;
  value: Node;
}

/** The target of an assignment. */
export type Target = IdentifierNode | TupleNode;

/** A macro's parameter, with or without a default. */
export type ParameterNode = IdentifierNode | KeywordNode;

/** A filter, with or without arguments. */
export type FilterNode = IdentifierNode | CallNode;
