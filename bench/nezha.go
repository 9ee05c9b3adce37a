package main

import (
	"archive/tar"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/klauspost/compress/zstd"
)

// dataSet is the part of Nezha that is loaded.
type dataSet struct {
	logs  []logRow
	spans []spanRow
}

type logRow struct {
	node, pod, service, level, body string
	trace, span                     string // hex
}

type spanRow struct {
	trace, span, parent, pod, service, name string
	start, duration                         int64 // ns
}

func readNezha(path string) (*dataSet, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("the data set is missing: %w; pass -data", err)
	}
	defer f.Close()
	z, err := zstd.NewReader(f)
	if err != nil {
		return nil, err
	}
	defer z.Close()
	set := &dataSet{}
	r := tar.NewReader(z)
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", path, err)
		}
		switch {
		case strings.Contains(h.Name, "rca_data") && strings.HasSuffix(h.Name, "_log.csv"):
			err = set.readLogs(r)
		case strings.Contains(h.Name, "rca_data") && strings.HasSuffix(h.Name, "_trace.csv"):
			err = set.readSpans(r)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", h.Name, err)
		}
	}
	if len(set.logs) == 0 || len(set.spans) == 0 {
		return nil, fmt.Errorf("%s has %d logs and %d spans", path, len(set.logs), len(set.spans))
	}
	return set, nil
}

// rows calls fn for each data row that has the wanted number of fields: two
// rows of the set have broken quoting.
func rows(r io.Reader, fields int, fn func([]string)) error {
	c := csv.NewReader(r)
	c.FieldsPerRecord = -1
	c.LazyQuotes = true
	c.ReuseRecord = true
	first := true
	for {
		rec, err := c.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if first || len(rec) != fields {
			first = false
			continue
		}
		fn(rec)
	}
}

func (s *dataSet) readLogs(r io.Reader) error {
	return rows(r, 8, func(rec []string) {
		var container struct{ Log string }
		if json.Unmarshal([]byte(rec[7]), &container) != nil {
			return
		}
		body := strings.Clone(strings.TrimRight(container.Log, "\n"))
		level := "INFO"
		for _, l := range []string{"ERROR", "WARN", "INFO"} {
			if strings.Contains(body[:min(len(body), 40)], l) {
				level = l
				break
			}
		}
		pod := strings.Clone(rec[3])
		s.logs = append(s.logs, logRow{node: strings.Clone(rec[2]), pod: pod, service: serviceOf(pod), level: level, body: body,
			trace: strings.Clone(rec[5]), span: strings.Clone(rec[6])})
	})
}

func (s *dataSet) readSpans(r io.Reader) error {
	return rows(r, 8, func(rec []string) {
		start, err1 := strconv.ParseInt(rec[5], 10, 64)
		end, err2 := strconv.ParseInt(rec[6], 10, 64)
		if err1 != nil || err2 != nil {
			return
		}
		pod := strings.Clone(rec[3])
		s.spans = append(s.spans, spanRow{trace: strings.Clone(rec[0]), span: strings.Clone(rec[1]), parent: strings.Clone(rec[2]),
			pod: pod, service: serviceOf(pod), name: strings.Clone(rec[4]), start: start, duration: max(0, end-start)})
	})
}

// serviceOf is the pod name without its last two parts.
func serviceOf(pod string) string {
	for range 2 {
		if i := strings.LastIndexByte(pod, '-'); i > 0 {
			pod = pod[:i]
		}
	}
	return pod
}
