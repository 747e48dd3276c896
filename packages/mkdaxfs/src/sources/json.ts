// SPDX-License-Identifier: MIT
import { byteStringOfText, printable } from "@daxfs/format";
import { BuildError } from "../errors.js";

/** Characters of a foreign text that a message has room for. */
const SHOWN = 200;

/** Text out of a document, for a message: one line, of bounded length, nothing that a terminal obeys. */
export function shownText(text: string): string {
  const whole = printable(byteStringOfText(text));
  return whole.length <= SHOWN ? whole : `${whole.slice(0, SHOWN)}…`;
}

/**
 * A value in a JSON document that nothing vouches for. It knows where it stands, so that whoever
 * asks for what it is not gets an error that names the document and the field.
 */
export class JsonValue {
  private constructor(
    private readonly value: unknown,
    /** The document, for messages. */
    private readonly document: string,
    private readonly field: string,
  ) {}

  /**
   * Reads a document.
   * @param document what it is and where it lies, for messages
   * @throws BuildError when it is not JSON in UTF-8.
   */
  static parse(bytes: Uint8Array, document: string): JsonValue {
    let value: unknown;
    try {
      value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
    } catch {
      throw new BuildError(`${document} is not JSON (it is damaged: get it again)`);
    }
    return new JsonValue(value, document, "");
  }

  /** Whether there is a value; null counts as none, as Go's tools write it for empty lists. */
  get present(): boolean {
    return this.value !== undefined && this.value !== null;
  }

  /** Whether it is a list. */
  get isList(): boolean {
    return Array.isArray(this.value);
  }

  /** A member of an object, which may be missing. @throws BuildError when this is no object. */
  get(name: string): JsonValue {
    return this.member(this.object(), name);
  }

  /** Names of an object's members. @throws BuildError when this is no object. */
  names(): string[] {
    return Object.keys(this.object());
  }

  /** @throws BuildError */
  string(): string {
    if (typeof this.value !== "string") throw this.isNot("a string");
    return this.value;
  }

  /** A string, "" where there is none. @throws BuildError when it is something else. */
  optionalString(): string {
    return this.present ? this.string() : "";
  }

  /** A whole number from 0 on. @throws BuildError */
  count(): number {
    if (!Number.isSafeInteger(this.value) || (this.value as number) < 0) {
      throw this.isNot("a whole number from 0 on");
    }
    return this.value as number;
  }

  /** The items of a list, none where there is no list. @throws BuildError */
  list(): JsonValue[] {
    if (!this.present) return [];
    if (!Array.isArray(this.value)) throw this.isNot("a list");
    return this.value.map(
      (item: unknown, index) => new JsonValue(item, this.document, `${this.field}[${index}]`),
    );
  }

  /**
   * The strings of an object, none where there is no object; null is "", as it is to Go's tools.
   * @throws BuildError
   */
  stringMap(): ReadonlyMap<string, string> {
    if (!this.present) return new Map();
    const object = this.object();
    return new Map(
      Object.keys(object).map((name) => [name, this.member(object, name).optionalString()]),
    );
  }

  /** The error that says that this is not what it should be. */
  isNot(expected: string): BuildError {
    const where = this.field === "" ? "it" : shownText(this.field);
    const found = this.present || this.field === "" ? `is not ${expected}` : "is missing";
    return new BuildError(`${this.document}: ${where} ${found} (it is damaged: get it again)`);
  }

  private object(): Readonly<Record<string, unknown>> {
    if (!this.present || typeof this.value !== "object" || this.isList) {
      throw this.isNot("an object");
    }
    return this.value as Record<string, unknown>;
  }

  private member(object: Readonly<Record<string, unknown>>, name: string): JsonValue {
    // Only own members: every object has a "constructor".
    const value = Object.hasOwn(object, name) ? object[name] : undefined;
    return new JsonValue(value, this.document, this.field === "" ? name : `${this.field}.${name}`);
  }
}
