// A value in the form that columnar.Table.Digest hashes.
export function encode(value, type) {
  if (value === null) return Buffer.from("N");
  if (type === "BIGINT") {
    const b = Buffer.alloc(9);
    b.write("I");
    b.writeBigInt64LE(value, 1);
    return b;
  }
  if (type === "DOUBLE") {
    const b = Buffer.alloc(9);
    b.write("F");
    b.writeDoubleLE(value, 1);
    return b;
  }
  if (type === "BOOLEAN") return Buffer.from(["B".charCodeAt(0), value ? 1 : 0]);
  let text;
  if (type === "VARCHAR") text = Buffer.from(value, "utf8");
  else if (type === "BLOB") text = Buffer.from(value.bytes);
  else throw new Error(`unexpected type ${type}`);
  const head = Buffer.alloc(5);
  head.write("S");
  head.writeUInt32LE(text.length, 1);
  return Buffer.concat([head, text]);
}
