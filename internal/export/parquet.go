package export

import (
	"io"
	"slices"

	"github.com/parquet-go/parquet-go"

	"hinomi/internal/store"
)

// groupRows is how many rows a row group of an export has; so many are in memory.
const groupRows = 32 << 10

type parquetEncoder struct {
	cols  []column
	at    []int // of each column: its position in the file
	w     *parquet.Writer
	group int // rows since the last row group
	rows  []parquet.Row
}

func newParquet(name string, cols []column, w io.Writer) *parquetEncoder {
	group := parquet.Group{}
	names := make([]string, len(cols))
	for i, c := range cols {
		node := parquet.String()
		if c.kind == nanos || c.kind == number {
			node = parquet.Int(64)
		}
		group[c.name] = parquet.Compressed(node, &parquet.Zstd)
		names[i] = c.name
	}
	// A group has its columns in the order of their names.
	slices.Sort(names)
	e := &parquetEncoder{cols: cols, w: parquet.NewWriter(w, parquet.NewSchema(name, group))}
	for _, c := range cols {
		e.at = append(e.at, slices.Index(names, c.name))
	}
	return e
}

func (e *parquetEncoder) batch(b *store.Batch) error {
	e.rows = e.rows[:0]
	for i := range b.N {
		row := make(parquet.Row, len(e.cols))
		for k, c := range e.cols {
			v := &b.Cols[k]
			var value parquet.Value
			switch c.kind {
			case nanos, number:
				value = parquet.Int64Value(intOf(v, i))
			case id:
				value = parquet.ByteArrayValue([]byte(hexOf(v, i)))
			default:
				value = parquet.ByteArrayValue([]byte(v.Str(i)))
			}
			row[e.at[k]] = value.Level(0, 0, e.at[k])
		}
		e.rows = append(e.rows, row)
	}
	if _, err := e.w.WriteRows(e.rows); err != nil {
		return err
	}
	if e.group += b.N; e.group < groupRows {
		return nil
	}
	e.group = 0
	return e.w.Flush()
}

func (e *parquetEncoder) close() error { return e.w.Close() }
