// Random schemas, random values: what the builder makes is accepted by Google's verifier for the
// schema, equals byte for byte what Google's builder makes from the same calls, and is the same
// with and without references, with large pages and with pages for one object each.
//
//     builder_property_test [messages [seed]]
//
// One description of a message is a stream of random numbers: it is played several times from the
// same seed, each time to another backend.
// The reflection accessors compare names through a pointer to a one-byte class.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wstringop-overread"
#endif

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <flatbuffers/flatbuffers.h>
#include <flatbuffers/idl.h>
#include <flatbuffers/reflection.h>

#include <flatstream/builder.h>

namespace
{

class Random
{
  public:
    explicit Random(uint64_t seed) : state_(seed * 2 + 1)
    {
        for (int i = 0; i < 4; i++)
            next();
    }
    uint64_t next()
    {
        state_ ^= state_ >> 12;
        state_ ^= state_ << 25;
        state_ ^= state_ >> 27;
        return state_ * 0x2545f4914f6cdd1dull;
    }
    uint32_t below(uint32_t n)
    {
        return static_cast<uint32_t>((next() >> 32) % n);
    }
    bool chance(uint32_t percent)
    {
        return below(100) < percent;
    }

  private:
    uint64_t state_;
};

// What strings and vectors are made of; stable for the whole run.
constexpr size_t kPoolBytes = 1 << 16;
uint8_t pool[kPoolBytes];

enum Way { kCreate, kReference, kShared, kAligned, kPushed, kWays };

struct Slice {
    const uint8_t *data;
    size_t bytes;
    Way way;
    uint32_t alignment; // of the first byte, where it is forced
};

// ---- backends ----

struct Google {
    flatbuffers::FlatBufferBuilder fbb;
    std::vector<uint8_t> bytes;

    void reset()
    {
        fbb.Clear();
    }
    uint32_t string(const Slice &s)
    {
        auto text = reinterpret_cast<const char *>(s.data);
        if (s.way == kShared)
            return fbb.CreateSharedString(text, s.bytes).o;
        if (s.way == kAligned && s.bytes)
            fbb.PreAlign(s.bytes + 1, s.alignment);
        return fbb.CreateString(text, s.bytes).o;
    }
    uint32_t vector(const Slice &s, size_t count, size_t element, uint32_t alignment)
    {
        if (s.way == kAligned)
            fbb.PreAlign(count * element, std::max(alignment, s.alignment));
        fbb.StartVector(count * element / alignment, alignment);
        fbb.PushBytes(s.data, count * element);
        return fbb.EndVector(count);
    }
    uint32_t refs(const std::vector<uint32_t> &all, bool)
    {
        std::vector<flatbuffers::Offset<void>> offsets(all.begin(), all.end());
        return fbb.CreateVector(offsets).o;
    }
    uint32_t strings(const std::vector<Slice> &all)
    {
        std::vector<uint32_t> made;
        for (auto &s : all)
            made.push_back(fbb.CreateString(reinterpret_cast<const char *>(s.data), s.bytes).o);
        return refs(made, false);
    }
    void unions(const std::vector<uint8_t> &types, const std::vector<uint32_t> &all, uint32_t *t,
                uint32_t *v)
    {
        fbb.StartVector(all.size(), 4);
        for (size_t i = all.size(); i-- > 0;) {
            if (types[i])
                fbb.PushElement(flatbuffers::Offset<void>(all[i]));
            else
                fbb.PushElement<uint32_t>(0);
        }
        *v = fbb.EndVector(all.size());
        *t = fbb.CreateVector(types).o;
    }
    uint32_t structure(const uint8_t *data, size_t n, uint32_t alignment)
    {
        fbb.Align(alignment);
        fbb.PushBytes(data, n);
        return fbb.GetSize();
    }
    uint32_t table_start = 0;
    void start_table()
    {
        table_start = fbb.StartTable();
    }
    uint32_t end_table()
    {
        return fbb.EndTable(table_start);
    }
    static flatbuffers::voffset_t slot(uint32_t id)
    {
        return flatbuffers::FieldIndexToOffset(static_cast<flatbuffers::voffset_t>(id));
    }
    template <typename T> void add(uint32_t id, T value, T other, bool always)
    {
        if (always)
            fbb.AddElement(slot(id), value);
        else
            fbb.AddElement(slot(id), value, other);
    }
    void ref(uint32_t id, uint32_t r)
    {
        fbb.AddOffset(slot(id), flatbuffers::Offset<void>(r));
    }
    void struct_field(uint32_t id, const uint8_t *data, size_t n, uint32_t alignment)
    {
        structure(data, n, alignment);
        fbb.AddStructOffset(slot(id), fbb.GetSize());
    }
    void union_field(uint32_t id, uint8_t type, uint32_t r)
    {
        if (!type)
            return;
        ref(id, r);
        add<uint8_t>(id - 1, type, 0, false);
    }
    template <typename F> uint32_t nested(bool, const char *identifier, F make)
    {
        Google inner;
        inner.finish(make(inner), identifier, false);
        fbb.PreAlign(inner.bytes.size(), inner.fbb.GetBufferMinAlignment());
        return fbb.CreateVector(inner.bytes).o;
    }
    void finish(uint32_t root, const char *identifier, bool prefixed)
    {
        flatbuffers::Offset<void> o(root);
        if (prefixed)
            fbb.FinishSizePrefixed(o, identifier);
        else
            fbb.Finish(o, identifier);
        bytes.assign(fbb.GetBufferPointer(), fbb.GetBufferPointer() + fbb.GetSize());
    }
};

[[noreturn]] void die(const char *what)
{
    std::fprintf(stderr, "builder_property_test: %s\n", what);
    std::exit(1);
}

struct Ours {
    fls_builder_options options = FLS_ZERO;
    fls_builder *b = nullptr;
    std::vector<std::unique_ptr<Ours>> inner;
    size_t inner_used = 0;
    std::vector<uint8_t> bytes;
    uint64_t segments = 0;

    explicit Ours(const fls_builder_options &chosen) : options(chosen)
    {
        if (fls_builder_open(&options, &b, nullptr) != FLS_OK)
            die("open");
    }
    Ours(const Ours &) = delete;
    Ours &operator=(const Ours &) = delete;
    ~Ours()
    {
        fls_builder_close(b);
    }
    void reset()
    {
        fls_builder_reset(b);
        inner_used = 0;
    }
    uint32_t string(const Slice &s)
    {
        auto text = reinterpret_cast<const char *>(s.data);
        switch (s.way) {
        case kReference:
            return fls_builder_reference_string(b, text, s.bytes);
        case kShared:
            return fls_builder_create_shared_string(b, text, s.bytes);
        case kAligned:
            return fls_builder_create_string_aligned(b, text, s.bytes, s.alignment);
        default:
            return fls_builder_create_string(b, text, s.bytes);
        }
    }
    uint32_t vector(const Slice &s, size_t count, size_t element, uint32_t alignment)
    {
        void *space;
        uint32_t r;
        size_t half = count / 2;
        switch (s.way) {
        case kReference:
            return fls_builder_reference_vector(b, s.data, count, element, alignment);
        case kShared: // another way to copy
            r = fls_builder_create_vector_space(b, count, element, alignment, &space);
            if (count && reinterpret_cast<uintptr_t>(space) & (alignment - 1))
                die("vector space is not aligned");
            std::memcpy(space, s.data, count * element);
            return r;
        case kAligned:
            return fls_builder_create_vector(b, s.data, count, element,
                                             std::max(alignment, s.alignment));
        case kPushed:
            fls_builder_start_vector(b, element, alignment);
            fls_builder_push(b, s.data, half);
            fls_builder_push(b, s.data + half * element, count - half);
            return fls_builder_end_vector(b);
        default:
            if (alignment == element && element <= 8)
                return fls_builder_create_scalar_vector(b, s.data, count, element);
            return fls_builder_create_vector(b, s.data, count, element, alignment);
        }
    }
    uint32_t refs(const std::vector<uint32_t> &all, bool pushed)
    {
        if (!pushed)
            return fls_builder_create_ref_vector(b, all.data(), all.size());
        fls_builder_start_ref_vector(b);
        for (auto r : all)
            fls_builder_push_ref(b, r);
        return fls_builder_end_ref_vector(b);
    }
    uint32_t strings(const std::vector<Slice> &all)
    {
        std::vector<const char *> texts;
        std::vector<size_t> lengths;
        for (auto &s : all) {
            texts.push_back(reinterpret_cast<const char *>(s.data));
            lengths.push_back(s.bytes);
        }
        return fls_builder_create_string_vector(b, texts.data(), lengths.data(), all.size());
    }
    void unions(const std::vector<uint8_t> &types, const std::vector<uint32_t> &all, uint32_t *t,
                uint32_t *v)
    {
        fls_builder_create_union_vector(b, types.data(), all.data(), all.size(), t, v);
    }
    uint32_t structure(const uint8_t *data, size_t n, uint32_t alignment)
    {
        return fls_builder_create_struct(b, data, n, alignment);
    }
    void start_table()
    {
        fls_builder_start_table(b);
    }
    uint32_t end_table()
    {
        return fls_builder_end_table(b);
    }
#define ADD(type, name)                                                                            \
    void add(uint32_t id, type value, type other, bool always)                                     \
    {                                                                                              \
        if (always)                                                                                \
            fls_builder_set_##name(b, id, value);                                                  \
        else                                                                                       \
            fls_builder_add_##name(b, id, value, other);                                           \
    }
    ADD(int8_t, i8)
    ADD(uint8_t, u8)
    ADD(int16_t, i16)
    ADD(uint16_t, u16)
    ADD(int32_t, i32)
    ADD(uint32_t, u32)
    ADD(int64_t, i64)
    ADD(uint64_t, u64)
    ADD(float, f32)
    ADD(double, f64)
#undef ADD
    void ref(uint32_t id, uint32_t r)
    {
        fls_builder_add_ref(b, id, r);
    }
    void struct_field(uint32_t id, const uint8_t *data, size_t n, uint32_t alignment)
    {
        fls_builder_add_struct(b, id, data, n, alignment);
    }
    void union_field(uint32_t id, uint8_t type, uint32_t r)
    {
        fls_builder_add_union(b, id, type, r);
    }
    template <typename F> uint32_t nested(bool in_place, const char *identifier, F make)
    {
        if (in_place) {
            fls_builder_start_nested(b);
            return fls_builder_end_nested(b, make(*this), identifier);
        }
        if (inner_used == inner.size())
            inner.push_back(std::make_unique<Ours>(options));
        Ours &other = *inner[inner_used++];
        fls_payload payload;
        other.reset();
        uint32_t root = make(other);
        if (fls_builder_finish(other.b, root, identifier, &payload) != FLS_OK)
            die(fls_builder_error(other.b)->reason);
        uint32_t alignment = fls_builder_alignment(other.b);
        return options.page_bytes == 1 ? fls_builder_reference_nested(b, &payload, alignment)
                                       : fls_builder_create_nested(b, &payload, alignment);
    }
    void finish(uint32_t root, const char *identifier, bool prefixed)
    {
        fls_payload payload;
        enum fls_status status =
            prefixed ? fls_builder_finish_size_prefixed(b, root, identifier, &payload)
                     : fls_builder_finish(b, root, identifier, &payload);
        if (status != FLS_OK)
            die(fls_builder_error(b)->reason);
        if (payload.length != fls_builder_bytes(b))
            die("the payload's length is not the message's");
        bytes.resize(payload.length);
        if (fls_payload_flatten(&payload, bytes.data(), bytes.size()) != FLS_OK)
            die("flatten");
        segments += payload.count;
    }
};

// ---- random schemas ----

const char *const kScalars[] = {"bool", "byte", "ubyte", "short", "ushort", "int",
                                "uint", "long", "ulong", "float", "double"};

std::string number(uint32_t n)
{
    return std::to_string(n);
}

struct Shape {
    uint32_t structs, tables, unions;
};

std::string random_struct(Random &r, uint32_t index)
{
    std::string text = "struct S" + number(index);
    if (r.chance(25))
        text += index == 0 && r.chance(50) ? " (force_align: 16)" : " (force_align: 32)";
    text += " {";
    uint32_t fields = 1 + r.below(5);
    for (uint32_t i = 0; i < fields; i++) {
        std::string type =
            index && r.chance(20) ? "S" + number(r.below(index)) : kScalars[r.below(11)];
        text += " f" + number(i) + ": " + type + ";";
    }
    return text + " }\n";
}

std::string random_default(Random &r, const std::string &type)
{
    if (r.chance(15))
        return " = null";
    if (r.chance(60))
        return "";
    if (type == "bool")
        return " = true";
    return " = " + number(r.below(100));
}

std::string random_field(Random &r, const Shape &shape)
{
    std::string scalar = kScalars[r.below(11)];
    std::string table = "T" + number(r.below(shape.tables));
    std::string structure = "S" + number(r.below(shape.structs));
    std::string one = "U" + number(r.below(shape.unions));
    std::string required = r.chance(10) ? " (required)" : "";
    switch (r.below(13)) {
    case 0:
    case 1:
    case 2:
        return scalar + random_default(r, scalar);
    case 3:
        return structure + required;
    case 4:
    case 5:
        return "string" + required;
    case 6:
        return "[" + scalar + "]" + required;
    case 7:
        return "[" + structure + "]" + required;
    case 8:
        return "[string]" + required;
    case 9:
        return "[" + table + "]" + required;
    case 10:
        return r.chance(50) ? one : "[" + one + "]";
    case 11:
        return "[ubyte] (nested_flatbuffer: \"" + table + "\")";
    default:
        return table;
    }
}

std::string random_schema(Random &r)
{
    Shape shape = {1 + r.below(4), 1 + r.below(5), 1 + r.below(2)};
    std::string text;
    for (uint32_t i = 0; i < shape.structs; i++)
        text += random_struct(r, i);
    for (uint32_t i = 0; i < shape.unions; i++)
        text += "union U" + number(i) + " { A: T0, B: T" + number(r.below(shape.tables)) +
                ", C: S0, D: string }\n";
    for (uint32_t i = 0; i < shape.tables; i++) {
        text += "table T" + number(i) + " {\n";
        uint32_t fields = r.chance(5) ? 0 : r.chance(5) ? 60 + r.below(60) : 1 + r.below(12);
        for (uint32_t f = 0; f < fields; f++)
            text += "  f" + number(f) + ": " + random_field(r, shape) + ";\n";
        text += "}\n";
    }
    return text + "root_type T0;\nfile_identifier \"FLSB\";\n";
}

// ---- random values ----

using flatbuffers::voffset_t;

template <typename B> class Player
{
  public:
    Player(const reflection::Schema &schema, Random &random, bool in_place)
        : schema_(schema), r_(random), in_place_(in_place)
    {
    }

    uint32_t table(B &b, const reflection::Object &object, int depth)
    {
        std::vector<const reflection::Field *> fields(object.fields()->begin(),
                                                      object.fields()->end());
        for (size_t i = fields.size(); i > 1; i--)
            std::swap(fields[i - 1], fields[r_.below(static_cast<uint32_t>(i))]);
        std::vector<Prepared> ready;
        for (auto field : fields) {
            Prepared p = {field, 0, 0, 0};
            if (prepare(b, *field, depth, &p))
                ready.push_back(p);
        }
        b.start_table();
        for (auto &p : ready)
            add(b, p);
        return b.end_table();
    }

  private:
    struct Prepared {
        const reflection::Field *field;
        uint32_t ref;
        uint32_t types; // the types of a vector of unions
        uint8_t type;   // of a union
    };

    // Keeps messages from exploding: so many tables each, at most.
    bool may_go_deeper(int depth)
    {
        return depth > 0 && tables_left_-- > 0;
    }

    Slice slice(size_t bytes)
    {
        Slice s;
        if (bytes >= kPoolBytes)
            die("the pool is too small");
        s.bytes = bytes;
        s.data = pool + r_.below(static_cast<uint32_t>(kPoolBytes - bytes));
        s.way = static_cast<Way>(r_.below(kWays));
        s.alignment = 1u << r_.below(9);
        return s;
    }
    Slice text()
    {
        Slice s = slice(r_.chance(97) ? r_.below(40) : r_.below(6000));
        if (s.way == kShared) // few different ones, so that some are shared
            s.data = pool, s.bytes = r_.below(4);
        return s;
    }
    uint32_t count()
    {
        return r_.chance(97) ? r_.below(8) : r_.below(300);
    }
    const reflection::Object &object(const reflection::Type &type)
    {
        return *schema_.objects()->Get(static_cast<uint32_t>(type.index()));
    }
    uint32_t structure(B &b, const reflection::Object &o)
    {
        auto n = static_cast<size_t>(o.bytesize());
        return b.structure(slice(n).data, n, static_cast<uint32_t>(o.minalign()));
    }

    // A union of a random type; 0 when it is none.
    uint8_t any(B &b, const reflection::Type &type, int depth, uint32_t *ref)
    {
        auto values = schema_.enums()->Get(static_cast<uint32_t>(type.index()))->values();
        auto which = static_cast<uint8_t>(r_.below(values->size()));
        auto chosen = values->Get(which)->union_type();
        *ref = 0;
        if (which == 0)
            return 0;
        if (chosen->base_type() == reflection::String) {
            *ref = b.string(text());
            return which;
        }
        auto &o = object(*chosen);
        if (o.is_struct())
            *ref = structure(b, o);
        else if (may_go_deeper(depth))
            *ref = table(b, o, depth - 1);
        else
            return 0;
        return which;
    }

    bool vector(B &b, const reflection::Field &field, int depth, Prepared *p)
    {
        auto &type = *field.type();
        auto attributes = field.attributes();
        auto nested = attributes ? attributes->LookupByKey("nested_flatbuffer") : nullptr;
        std::vector<uint32_t> refs;
        std::vector<uint8_t> types;
        uint32_t n = count();
        if (nested) {
            if (!may_go_deeper(depth))
                return false;
            auto inner = schema_.objects()->LookupByKey(nested->value()->c_str());
            const char *identifier = r_.chance(50) ? "NEST" : nullptr;
            p->ref = b.nested(in_place_, identifier,
                              [&](B &other) { return table(other, *inner, depth - 1); });
            return true;
        }
        switch (type.element()) {
        case reflection::UType:
            return false; // comes with the values
        case reflection::String:
            if (r_.chance(30)) {
                std::vector<Slice> all(n);
                for (auto &s : all)
                    s = slice(r_.below(20));
                p->ref = b.strings(all);
                return true;
            }
            for (uint32_t i = 0; i < n; i++)
                refs.push_back(b.string(text()));
            p->ref = b.refs(refs, r_.chance(50));
            return true;
        case reflection::Union:
            for (uint32_t i = 0; i < n % 8; i++) {
                uint32_t ref;
                types.push_back(any(b, type, depth, &ref));
                refs.push_back(ref);
            }
            b.unions(types, refs, &p->types, &p->ref);
            return true;
        case reflection::Obj: {
            auto &o = object(type);
            if (o.is_struct()) {
                auto bytes = static_cast<size_t>(o.bytesize());
                n = std::min(n, static_cast<uint32_t>(kPoolBytes / 2 / bytes));
                p->ref = b.vector(slice(n * bytes), n, bytes, static_cast<uint32_t>(o.minalign()));
                return true;
            }
            for (uint32_t i = 0; may_go_deeper(depth) && i < n % 8; i++)
                refs.push_back(table(b, o, depth - 1));
            p->ref = b.refs(refs, r_.chance(50));
            return true;
        }
        default: {
            size_t bytes = flatbuffers::GetTypeSize(type.element());
            if (r_.chance(5))
                n *= 20;
            p->ref = b.vector(slice(n * bytes), n, bytes, static_cast<uint32_t>(bytes));
            return true;
        }
        }
    }

    // Makes what the field refers to. False: the field is left out.
    bool prepare(B &b, const reflection::Field &field, int depth, Prepared *p)
    {
        auto &type = *field.type();
        bool wanted = field.required() || r_.chance(70);
        if (!wanted)
            return false;
        switch (type.base_type()) {
        case reflection::UType:
            return false; // comes with the value
        case reflection::String:
            p->ref = b.string(text());
            return true;
        case reflection::Vector:
            return vector(b, field, depth, p);
        case reflection::Union:
            p->type = any(b, type, depth, &p->ref);
            return true;
        case reflection::Obj:
            if (object(type).is_struct())
                return true;
            if (!may_go_deeper(depth))
                return false;
            p->ref = table(b, object(type), depth - 1);
            return true;
        default:
            return true;
        }
    }

    template <typename T> void scalar(B &b, const reflection::Field &field, T other)
    {
        T value;
        if (field.optional()) {
            std::memcpy(&value, slice(sizeof value).data, sizeof value);
            b.add(field.id(), value, other, true);
            return;
        }
        if (r_.chance(30))
            value = other;
        else
            std::memcpy(&value, slice(sizeof value).data, sizeof value);
        b.add(field.id(), value, other, false);
    }
    template <typename T> void integer(B &b, const reflection::Field &field)
    {
        scalar<T>(b, field, static_cast<T>(field.default_integer()));
    }

    void add(B &b, const Prepared &p)
    {
        auto &field = *p.field;
        auto &type = *field.type();
        switch (type.base_type()) {
        case reflection::Bool:
        case reflection::UByte:
            return integer<uint8_t>(b, field);
        case reflection::Byte:
            return integer<int8_t>(b, field);
        case reflection::Short:
            return integer<int16_t>(b, field);
        case reflection::UShort:
            return integer<uint16_t>(b, field);
        case reflection::Int:
            return integer<int32_t>(b, field);
        case reflection::UInt:
            return integer<uint32_t>(b, field);
        case reflection::Long:
            return integer<int64_t>(b, field);
        case reflection::ULong:
            return integer<uint64_t>(b, field);
        case reflection::Float:
            return scalar<float>(b, field, static_cast<float>(field.default_real()));
        case reflection::Double:
            return scalar<double>(b, field, field.default_real());
        case reflection::Union:
            return b.union_field(field.id(), p.type, p.ref);
        case reflection::Obj:
            if (object(type).is_struct()) {
                auto &o = object(type);
                auto n = static_cast<size_t>(o.bytesize());
                return b.struct_field(field.id(), slice(n).data, n,
                                      static_cast<uint32_t>(o.minalign()));
            }
            return b.ref(field.id(), p.ref);
        default:
            b.ref(field.id(), p.ref);
            if (p.types)
                b.ref(field.id() - 1u, p.types);
        }
    }

    const reflection::Schema &schema_;
    Random &r_;
    bool in_place_;
    int tables_left_ = 25;
};

// ---- the test ----

struct Message {
    uint64_t seed;
    bool in_place;
    bool prefixed;
    const char *identifier;
};

template <typename B>
const std::vector<uint8_t> &play(B &b, const reflection::Schema &schema, const Message &m)
{
    Random r(m.seed);
    Player<B> player(schema, r, m.in_place);
    b.reset();
    b.finish(player.table(b, *schema.root_table(), 4), m.identifier, m.prefixed);
    return b.bytes;
}

struct alignas(256) Aligned {
    uint8_t bytes[256];
};

bool verifies(const reflection::Schema &schema, const reflection::Object &root,
              const uint8_t *bytes, size_t n, bool prefixed)
{
    std::vector<Aligned> copy(n / 256 + 1);
    auto at = reinterpret_cast<uint8_t *>(copy.data());
    std::memcpy(at, bytes, n);
    return prefixed ? flatbuffers::VerifySizePrefixed(schema, root, at, n)
                    : flatbuffers::Verify(schema, root, at, n);
}

// The reflection verifier doesn't look into nested buffers: this finds those of the root and
// verifies each as a message of its own, and its place in the outer one.
bool nested_verify(const reflection::Schema &schema, const std::vector<uint8_t> &bytes,
                   uint64_t *found)
{
    auto root = flatbuffers::GetAnyRoot(bytes.data());
    for (auto field : *schema.root_table()->fields()) {
        auto nested =
            field->attributes() ? field->attributes()->LookupByKey("nested_flatbuffer") : nullptr;
        if (!nested || !root->CheckField(field->offset()))
            continue;
        auto vector = root->GetPointer<const flatbuffers::Vector<uint8_t> *>(field->offset());
        auto object = schema.objects()->LookupByKey(nested->value()->c_str());
        if ((vector->data() - bytes.data()) % 4 ||
            !verifies(schema, *object, vector->data(), vector->size(), false))
            return false;
        ++*found;
    }
    return true;
}

void report(const char *what, const std::string &schema, const Message &m)
{
    std::fprintf(stderr, "%s\nseed %" PRIu64 " in_place %d prefixed %d\n%s\n", what, m.seed,
                 m.in_place, m.prefixed, schema.c_str());
    std::exit(1);
}

struct Counts {
    uint64_t messages, with_google, bytes, segments, nested;
};

class Test
{
  public:
    Test()
        : copying_(options(0, true, false)), referring_(options(0, false, false)),
          stable_(options(0, false, true)), tiny_(options(1, false, true))
    {
    }

    void schema(const std::string &text, uint64_t seed, int messages)
    {
        flatbuffers::IDLOptions language; // unions of structs and strings are not for all
        language.lang_to_generate = flatbuffers::IDLOptions::kCpp;
        language.binary_schema_builtins = true; // keeps nested_flatbuffer among the attributes
        flatbuffers::Parser parser(language);
        if (!parser.Parse(text.c_str())) {
            std::fprintf(stderr, "%s\n%s\n", parser.error_.c_str(), text.c_str());
            std::exit(1);
        }
        parser.Serialize();
        auto schema = reflection::GetSchema(parser.builder_.GetBufferPointer());
        Random r(seed);
        for (int i = 0; i < messages; i++) {
            Message m = {r.next(), r.chance(30), r.chance(20), r.chance(50) ? "FLSB" : nullptr};
            message(text, *schema, m);
        }
    }
    Counts counts = {0, 0, 0, 0, 0};

  private:
    static fls_builder_options options(size_t page_bytes, bool no_references, bool stable)
    {
        static const fls_stable_range range = {pool, kPoolBytes};
        fls_builder_options o = FLS_ZERO;
        o.page_bytes = page_bytes;
        o.no_references = no_references;
        o.reference_bytes_min = 24;
        o.stable = &range;
        o.stable_count = stable ? 1 : 0;
        return o;
    }

    void message(const std::string &text, const reflection::Schema &schema, const Message &m)
    {
        auto &plain = play(copying_, schema, m);
        if (!verifies(schema, *schema.root_table(), plain.data(), plain.size(), m.prefixed))
            report("Google's verifier refuses the message", text, m);
        if (!m.prefixed && !nested_verify(schema, plain, &counts.nested))
            report("Google's verifier refuses a nested buffer", text, m);
        if (play(referring_, schema, m) != plain)
            report("by reference the bytes differ", text, m);
        if (play(stable_, schema, m) != plain)
            report("with stable memory the bytes differ", text, m);
        if (play(tiny_, schema, m) != plain)
            report("with tiny pages the bytes differ", text, m);
        if (!m.in_place) {
            if (play(google_, schema, m) != plain)
                report("Google's builder makes other bytes", text, m);
            counts.with_google++;
        }
        counts.messages++;
        counts.bytes += plain.size();
        counts.segments = referring_.segments + stable_.segments + tiny_.segments;
    }

    Google google_;
    Ours copying_, referring_, stable_, tiny_;
};

} // namespace

int main(int argc, char **argv)
{
    const char *wanted = argc > 1 ? argv[1] : std::getenv("FLS_PROPERTY_MESSAGES");
    uint64_t messages = wanted ? std::strtoull(wanted, nullptr, 10) : 20000;
    uint64_t seed = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 1;
    constexpr int kPerSchema = 50;
    Test test;
    Random r(seed);

    for (auto &byte : pool)
        byte = static_cast<uint8_t>(r.next() >> 56);
    while (test.counts.messages < messages) {
        std::string text = random_schema(r);
        test.schema(text, r.next(), kPerSchema);
    }
    auto &c = test.counts;
    std::printf("%" PRIu64 " messages, %" PRIu64 " bytes, all verified; %" PRIu64
                " equal to Google's builder; %" PRIu64 " nested buffers; %" PRIu64 " segments\n",
                c.messages, c.bytes, c.with_google, c.nested, c.segments);
    return 0;
}
