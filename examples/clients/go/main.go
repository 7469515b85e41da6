// A Go client of a model server: Predict over gRPC with raw tensors, without generated code.
//
//	go run . -address localhost:8500 -model half_plus_two -descriptors descriptors.binpb 2 3 4
//
// The messages come from a file of descriptors: mlops_tfx/serving/protos/descriptors.binpb, or what
// `protoc --descriptor_set_out --include_imports` makes of TensorFlow Serving's own .proto files.
package main

import (
	"context"
	"encoding/binary"
	"flag"
	"fmt"
	"log"
	"math"
	"os"
	"strconv"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
)

const method = "/tensorflow.serving.PredictionService/Predict"

// DT_FLOAT of tensorflow.DataType.
const dtFloat = 1

// messages finds message types by their full names.
type messages struct{ files *protoregistry.Files }

func readMessages(path string) (messages, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return messages{}, err
	}
	set := &descriptorpb.FileDescriptorSet{}
	if err := proto.Unmarshal(data, set); err != nil {
		return messages{}, err
	}
	files, err := protodesc.NewFiles(set)
	return messages{files}, err
}

func (m messages) make(name string) (*dynamicpb.Message, error) {
	found, err := m.files.FindDescriptorByName(protoreflect.FullName(name))
	if err != nil {
		return nil, err
	}
	return dynamicpb.NewMessage(found.(protoreflect.MessageDescriptor)), nil
}

func field(message protoreflect.Message, name string) protoreflect.FieldDescriptor {
	return message.Descriptor().Fields().ByName(protoreflect.Name(name))
}

// fillFloats writes a tensor of the shape [len(values)].
func fillFloats(tensor protoreflect.Message, values []float32) {
	tensor.Set(field(tensor, "dtype"), protoreflect.ValueOfEnum(dtFloat))
	shape := tensor.Mutable(field(tensor, "tensor_shape")).Message()
	size := shape.Mutable(field(shape, "dim")).List().AppendMutable().Message()
	size.Set(field(size, "size"), protoreflect.ValueOfInt64(int64(len(values))))
	list := tensor.Mutable(field(tensor, "float_val")).List()
	for _, value := range values {
		list.Append(protoreflect.ValueOfFloat32(value))
	}
}

// readFloats returns the values of a tensor, row by row; they are in one of two fields, as the server likes.
func readFloats(tensor protoreflect.Message) ([]float32, error) {
	if dtype := tensor.Get(field(tensor, "dtype")).Enum(); dtype != dtFloat {
		return nil, fmt.Errorf("expected floats, received a tensor of type %d", dtype)
	}
	var numbers []float32
	content := tensor.Get(field(tensor, "tensor_content")).Bytes()
	for ; len(content) >= 4; content = content[4:] {
		numbers = append(numbers, math.Float32frombits(binary.LittleEndian.Uint32(content)))
	}
	list := tensor.Get(field(tensor, "float_val")).List()
	for i := 0; i < list.Len(); i++ {
		numbers = append(numbers, float32(list.Get(i).Float()))
	}
	return numbers, nil
}

func predict(connection *grpc.ClientConn, m messages, model, input, output string, values []float32) error {
	request, err := m.make("tensorflow.serving.PredictRequest")
	if err != nil {
		return err
	}
	response, err := m.make("tensorflow.serving.PredictResponse")
	if err != nil {
		return err
	}
	spec := request.Mutable(field(request, "model_spec")).Message()
	spec.Set(field(spec, "name"), protoreflect.ValueOfString(model))
	inputs := request.Mutable(field(request, "inputs")).Map()
	fillFloats(inputs.Mutable(protoreflect.ValueOfString(input).MapKey()).Message(), values)
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := connection.Invoke(ctx, method, request, response); err != nil {
		return err
	}
	outputs := response.Get(field(response, "outputs")).Map()
	key := protoreflect.ValueOfString(output).MapKey()
	if !outputs.Has(key) {
		return fmt.Errorf("the model has no output %q", output)
	}
	numbers, err := readFloats(outputs.Get(key).Message())
	if err != nil {
		return fmt.Errorf("output %q: %w", output, err)
	}
	for _, number := range numbers {
		fmt.Println(number)
	}
	return nil
}

func main() {
	address := flag.String("address", "localhost:8500", "the server's gRPC port")
	model := flag.String("model", "half_plus_two", "the model")
	input := flag.String("input", "x", "the input, a list of floats")
	output := flag.String("output", "y", "the output")
	descriptors := flag.String("descriptors", "descriptors.binpb", "the file of descriptors")
	flag.Parse()
	var values []float32
	for _, text := range flag.Args() {
		value, err := strconv.ParseFloat(text, 32)
		if err != nil {
			log.Fatal(err)
		}
		values = append(values, float32(value))
	}
	m, err := readMessages(*descriptors)
	if err != nil {
		log.Fatal(err)
	}
	connection, err := grpc.NewClient(*address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		log.Fatal(err)
	}
	defer connection.Close()
	if err := predict(connection, m, *model, *input, *output, values); err != nil {
		log.Fatal(err)
	}
}
