package v1_test

import (
	"bytes"
	"flag"
	"os"
	"testing"

	v1 "hinomi/internal/api/v1"
)

var update = flag.Bool("update", false, "write the OpenAPI document that the pages' types are generated from")

// documentPath is where the types of the pages are generated from.
const documentPath = "../../../ui/web/openapi.json"

func TestDocumentIsTheCommittedOne(t *testing.T) {
	got, err := v1.Document()
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(documentPath, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(documentPath)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Fatal("the types of the API changed: go test ./internal/api/v1 -run Document -update, then npm run generate in ui/web")
	}
}
