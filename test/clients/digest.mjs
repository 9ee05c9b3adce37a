// Reads Parquet files with DuckDB and prints, by file, the digest that
// columnar.Table.Digest describes, as DuckDB sees the values.
import { createHash } from "node:crypto";
import { DuckDBInstance } from "@duckdb/node-api";
import { encode } from "./encode.mjs";

const connection = await (await DuckDBInstance.create()).connect();

const files = process.argv.slice(2);
const out = {};
for (const file of files) {
  const reader = await connection.runAndReadAll(`SELECT * FROM read_parquet('${file.replaceAll("'", "''")}')`);
  const names = reader.columnNames();
  const types = reader.columnTypes().map(String);
  const order = names.map((_, i) => i).sort((a, b) => Buffer.compare(Buffer.from(names[a]), Buffer.from(names[b])));
  const hash = createHash("sha256");
  for (const row of reader.getRows()) {
    hash.update(Buffer.concat(order.map((i) => encode(row[i], types[i]))));
  }
  out[file] = { digest: hash.digest("hex"), rows: reader.currentRowCount, columns: names.length };
}
// Attributes wander between column and rest: all files together must read too.
const list = files.map((f) => `'${f.replaceAll("'", "''")}'`).join(", ");
const all = await connection.runAndReadAll(`SELECT count(*), count(DISTINCT service) FROM read_parquet([${list}], union_by_name = true)`);
const [rows, services] = all.getRows()[0];
console.log(JSON.stringify({ files: out, rows: Number(rows), services: Number(services) }));
