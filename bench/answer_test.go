package main

import "testing"

// The same answer in the words of different servers has one summary.
func TestSummary(t *testing.T) {
	for name, c := range map[string]struct {
		limit  int
		bodies []string
		differ string // an answer of the same size that is another one
	}{
		"log lines": {
			limit: 100,
			bodies: []string{
				`{"status":"success","data":{"resultType":"streams","result":[{"stream":{"a":"1"},"values":[["2","two"],["1","one"]]}]}}`,
				`{"data":{"resultType":"streams","result":[{"stream":{},"values":[["1","one",{"x":"y"}]]},{"stream":{},"values":[["2","two"]]}]}}`,
				`{"_time":"2026-01-01T00:00:00Z","_msg":"two"}` + "\n" + `{"_msg":"one"}` + "\n",
			},
			differ: `{"_msg":"two"}` + "\n" + `{"_msg":"three"}` + "\n",
		},
		"no log lines": {limit: 100, bodies: []string{`{"data":{"resultType":"streams","result":[]}}`, ``}},
		"counts": {
			bodies: []string{
				`{"data":{"resultType":"vector","result":[{"metric":{"detected_level":"info"},"value":[1,"3"]},{"metric":{"detected_level":"error"},"value":[1,"4"]}]}}`,
				`{"data":{"resultType":"matrix","result":[{"metric":{"detected_level":"error"},"values":[[1,"1"],[2,"3"]]},{"metric":{"detected_level":"info"},"values":[[1,"3"]]}]}}`,
				`{"_time":"1","severity":"INFO","n":"1"}` + "\n" + `{"_time":"2","severity":"INFO","n":"2"}` + "\n" + `{"severity":"ERROR","n":"4"}`,
			},
			differ: `{"data":{"resultType":"vector","result":[{"metric":{"detected_level":"error"},"value":[1,"3"]},{"metric":{"detected_level":"info"},"value":[1,"4"]}]}}`,
		},
		"not a number": {bodies: []string{`{"data":{"resultType":"vector","result":[{"metric":{"instance":"a"},"value":[1,"NaN"]}]}}`}},
		"few traces": {
			limit: 20,
			bodies: []string{
				`{"traces":[{"traceID":"ab"},{"traceID":"000000000000000000000000000000CD"}],"metrics":{}}`,
				`{"data":[{"traceID":"00000000000000cd","spans":[{"spanID":"1"}]},{"traceID":"00000000000000ab","spans":[]}],"total":0,"errors":null}`,
			},
			differ: `{"traces":[{"traceID":"ab"},{"traceID":"ce"}]}`,
		},
		"no traces": {limit: 20, bodies: []string{`{"traces":[],"metrics":{}}`, `{"metrics":{"inspectedBytes":"1"}}`, `{"data":[]}`}},
		"any of many traces": {
			limit:  2,
			bodies: []string{`{"traces":[{"traceID":"1"},{"traceID":"2"}]}`, `{"data":[{"traceID":"3"},{"traceID":"4"}]}`},
		},
		"a trace": {
			bodies: []string{
				`{"batches":[{"scopeSpans":[{"spans":[{"spanId":"AAAAAAAAAAE="}]},{"spans":[{"spanId":"AAAAAAAAAAI="}]}]}]}`,
				`{"data":[{"traceID":"1","spans":[{"spanID":"0000000000000002"},{"spanID":"1"}]}]}`,
			},
			differ: `{"data":[{"traceID":"1","spans":[{"spanID":"2"},{"spanID":"3"}]}]}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			want := summary([]byte(c.bodies[0]), c.limit)
			for _, body := range c.bodies[1:] {
				if got := summary([]byte(body), c.limit); got != want {
					t.Errorf("%s\nis %q, not %q", body, got, want)
				}
			}
			if c.differ != "" && summary([]byte(c.differ), c.limit) == want {
				t.Errorf("%s\nis %q too", c.differ, want)
			}
			t.Log(want)
		})
	}
}

func TestSummaryOfNonsense(t *testing.T) {
	for _, body := range []string{`<html>`, `{"data":{"result":7}}`, `{"data":{"resultType":"vector","result":[{"value":[1]}]}}`, `{"data":[7]}`, "{}\n{\n"} {
		if got := summary([]byte(body), 0); len(got) < 14 || got[:14] != "not understood" {
			t.Errorf("%s is %q", body, got)
		}
	}
}
