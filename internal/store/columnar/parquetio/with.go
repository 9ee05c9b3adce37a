package parquetio

import "io"

// With returns the file as it is read through r, which has the same bytes: for
// example bound to the context of one query. Both share what was parsed.
func (f *File) With(r io.ReaderAt) *File {
	g := *f
	g.r = r
	return &g
}
