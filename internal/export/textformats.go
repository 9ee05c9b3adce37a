package export

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"io"
	"strconv"
	"strings"

	"hinomi/internal/store"
)

// bufferBytes is what is collected before it goes to the stream.
const bufferBytes = 256 << 10

type csvEncoder struct {
	cols []column
	w    *csv.Writer
	row  []string
	head bool
}

func newCSV(cols []column, w io.Writer) *csvEncoder {
	return &csvEncoder{cols: cols, w: csv.NewWriter(bufio.NewWriterSize(w, bufferBytes)), row: make([]string, len(cols))}
}

func (e *csvEncoder) header() error {
	if e.head {
		return nil
	}
	e.head = true
	for i, c := range e.cols {
		e.row[i] = c.name
	}
	return e.w.Write(e.row)
}

func (e *csvEncoder) batch(b *store.Batch) error {
	if err := e.header(); err != nil {
		return err
	}
	for i := range b.N {
		for k, c := range e.cols {
			v := &b.Cols[k]
			switch c.kind {
			case nanos:
				e.row[k] = timeText(intOf(v, i))
			case number:
				e.row[k] = strconv.FormatInt(intOf(v, i), 10)
			case id:
				e.row[k] = hexOf(v, i)
			default:
				e.row[k] = v.Str(i)
			}
		}
		if err := e.w.Write(e.row); err != nil {
			return err
		}
	}
	return e.w.Error()
}

func (e *csvEncoder) close() error {
	if err := e.header(); err != nil {
		return err
	}
	e.w.Flush()
	return e.w.Error()
}

type jsonlEncoder struct {
	w    *bufio.Writer
	cols []column
	keys []string // what comes before the value of each column
	buf  []byte
}

func newJSONL(cols []column, w io.Writer) *jsonlEncoder {
	e := &jsonlEncoder{w: bufio.NewWriterSize(w, bufferBytes), cols: cols}
	for i, c := range cols {
		key := "," + strconv.Quote(c.name) + ":"
		if i == 0 {
			key = key[1:]
		}
		e.keys = append(e.keys, key)
	}
	return e
}

func (e *jsonlEncoder) batch(b *store.Batch) error {
	for i := range b.N {
		out := append(e.buf[:0], '{')
		for k, c := range e.cols {
			v := &b.Cols[k]
			out = append(out, e.keys[k]...)
			switch c.kind {
			case nanos:
				out = appendQuoted(out, timeText(intOf(v, i)))
			case number:
				out = strconv.AppendInt(out, intOf(v, i), 10)
			case id:
				out = appendQuoted(out, hexOf(v, i))
			case object:
				// The store keeps JSON as text: it goes out as it is.
				if text := v.Str(i); text != "" {
					out = append(out, text...)
				} else {
					out = append(out, "null"...)
				}
			default:
				out = appendQuoted(out, v.Str(i))
			}
		}
		e.buf = append(out, '}', '\n')
		if _, err := e.w.Write(e.buf); err != nil {
			return err
		}
	}
	return nil
}

func appendQuoted(dst []byte, s string) []byte {
	// Marshalling a string cannot fail; bytes that are no UTF-8 become U+FFFD.
	text, _ := json.Marshal(strings.ToValidUTF8(s, "\uFFFD"))
	return append(dst, text...)
}

func (e *jsonlEncoder) close() error { return e.w.Flush() }
