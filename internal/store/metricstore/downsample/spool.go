package downsample

import (
	"bufio"
	"errors"
	"fmt"
	"os"

	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/tsdb/chunks"
)

// spool keeps the data of chunks in a file until their order is known. It is
// scratch: nothing of it is synced.
type spool struct {
	file *os.File
	w    *bufio.Writer
	end  int64
}

// spooled is where a chunk's data is.
type spooled struct {
	meta   chunks.Meta // without the chunk
	offset int64
	length int
	enc    chunkenc.Encoding
}

// spoolBuffer is written at a time; chunks have some hundred bytes.
const spoolBuffer = 256 << 10

func newSpool(path string) (*spool, error) {
	f, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	return &spool{file: f, w: bufio.NewWriterSize(f, spoolBuffer)}, nil
}

func (s *spool) add(m chunks.Meta) (spooled, error) {
	data := m.Chunk.Bytes()
	out := spooled{meta: m, offset: s.end, length: len(data), enc: m.Chunk.Encoding()}
	out.meta.Chunk = nil
	s.end += int64(len(data))
	_, err := s.w.Write(data)
	return out, err
}

// chunk reads a chunk back.
func (s *spool) chunk(c spooled) (chunks.Meta, error) {
	data := make([]byte, c.length)
	if _, err := s.file.ReadAt(data, c.offset); err != nil {
		return chunks.Meta{}, fmt.Errorf("read a chunk back: %w", err)
	}
	var err error
	m := c.meta
	m.Chunk, err = chunkenc.FromData(c.enc, data)
	return m, err
}

// close removes the file.
func (s *spool) close() error { return errors.Join(s.file.Close(), os.Remove(s.file.Name())) }
