/*
 * json.cc: JSON and .fbs by Google's libflatbuffers, behind a C face.
 *
 * libflatbuffers trusts what it is given: its assertions end the process. So everything passes our
 * own checks first. A schema goes through fls_schema_open before libflatbuffers loads it, and what
 * that does not look at, but libflatbuffers would follow, is checked here. An .fbs is turned into a
 * .bfbs at once, so that there is one way from then on. A message passes a strict verifier: of a
 * union's value without a type libflatbuffers would take the type from any other field.
 *
 * Every function that the header declares catches what is thrown (only memory can run out).
 */
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <mutex>
#include <new>
#include <set>
#include <string>
#include <vector>

#include <flatbuffers/idl.h>
#include <flatbuffers/reflection.h>

#include <flatstream/json.h>
#include <flatstream/verifier.h>

namespace
{

using Bytes = std::vector<uint8_t>;

constexpr size_t file_bytes_max = size_t{64} << 20;

struct SchemaClose {
    void operator()(fls_schema *schema) const
    {
        fls_schema_close(schema);
    }
};
using Schema = std::unique_ptr<fls_schema, SchemaClose>;

struct VerifierClose {
    void operator()(fls_verifier *verifier) const
    {
        fls_verifier_close(verifier);
    }
};
using Verifier = std::unique_ptr<fls_verifier, VerifierClose>;

struct FileClose {
    void operator()(FILE *file) const
    {
        fclose(file);
    }
};
using File = std::unique_ptr<FILE, FileClose>;

} // namespace

struct fls_json {
    Bytes bfbs;
    Bytes loadable; // the same, without nested_flatbuffer
    Schema schema;
    std::string root;
    Verifier verifier; // of that root; opened when it is needed
    std::unique_ptr<flatbuffers::Parser> parser;
    std::string text;
    std::vector<uint64_t> aligned;
};

namespace
{

// ---- errors ------------------------------------------------------------------------------------

fls_status refuse(fls_error *error, fls_status status, const std::string &reason)
{
    if (error) {
        *error = fls_error();
        error->status = status;
        snprintf(error->reason, sizeof error->reason, "%s", reason.c_str());
    }
    return status;
}

fls_status refuse_null(fls_error *error)
{
    return refuse(error, FLS_INVALID_ARGUMENT, "NULL was given for bytes that are wanted");
}

fls_status out_of_memory(fls_error *error)
{
    return refuse(error, FLS_NO_MEMORY, "out of memory");
}

fls_status refuse_system(fls_error *error, const char *operation, int os_errno, const char *path)
{
    refuse(error, FLS_IO, path);
    if (error) {
        error->os_errno = os_errno;
        snprintf(error->subject, sizeof error->subject, "%s", operation);
    }
    return FLS_IO;
}

// What the parser says is "[PATH:]LINE: COLUMN: error: TEXT", after lines of warnings.
struct Complaint {
    unsigned long long line = 0;
    unsigned long long column = 0;
    std::string text;
};

Complaint read_complaint(const std::string &whole)
{
    static const char mark[] = ": error: ";
    Complaint complaint;
    size_t at = whole.find(mark);

    if (at == std::string::npos) {
        complaint.text = whole;
        return complaint;
    }
    complaint.text = whole.substr(at + sizeof mark - 1);
    size_t column = whole.find_last_of(' ', at - 1);
    size_t line = column == std::string::npos ? column : whole.find_last_of(":\n", column - 2);
    line = line == std::string::npos ? 0 : line + 1;
    if (column != std::string::npos)
        sscanf(whole.c_str() + line, "%llu: %llu", &complaint.line, &complaint.column);
    return complaint;
}

fls_status refuse_text(fls_error *error, const std::string &whole)
{
    Complaint complaint = read_complaint(whole);
    std::string text = complaint.text.substr(0, complaint.text.find('\n'));
    char where[64];

    snprintf(where, sizeof where, "line %llu, column %llu: ", complaint.line, complaint.column);
    refuse(error, FLS_INVALID_ARGUMENT, complaint.line ? where + text : text);
    if (error) {
        error->expected = complaint.line;
        error->found = complaint.column;
    }
    return FLS_INVALID_ARGUMENT;
}

// ---- loading a schema --------------------------------------------------------------------------

flatbuffers::IDLOptions parser_options()
{
    flatbuffers::IDLOptions options;

    // Unions of structs and strings, which some languages lack, are part of the format.
    options.lang_to_generate = flatbuffers::IDLOptions::kBinary;
    options.binary_schema_builtins = true;
    options.natural_utf8 = true;
    options.json_nested_flexbuffers = false;
    return options;
}

// Whether the names of a list are all different. libflatbuffers frees the second of two twice.
class Names
{
  public:
    bool add(const flatbuffers::String *name)
    {
        return seen.insert(name->str()).second;
    }

  private:
    std::set<std::string> seen;
};

template <typename Definition> bool has_sound_attributes(const Definition &definition)
{
    Names names;

    if (definition.attributes())
        for (const reflection::KeyValue *pair : *definition.attributes())
            if (!names.add(pair->key()))
                return false;
    return true;
}

bool is_sound(const reflection::Object &object)
{
    if (!object.is_struct() && object.bytesize() != 0)
        return false;
    for (const reflection::Field *field : *object.fields())
        if (!has_sound_attributes(*field) ||
            (field->type()->base_type() == reflection::ULong && field->default_integer() < 0))
            return false;
    return has_sound_attributes(object);
}

bool is_sound(const reflection::Service &service)
{
    Names names;

    if (service.calls())
        for (const reflection::RPCCall *call : *service.calls())
            if (!names.add(call->name()) || !has_sound_attributes(*call))
                return false;
    return has_sound_attributes(service);
}

// What libflatbuffers relies on in a schema and fls_schema_open does not look at.
bool is_sound(const reflection::Schema &schema)
{
    Names names;

    for (const reflection::Object *object : *schema.objects())
        if (!is_sound(*object))
            return false;
    for (const reflection::Enum *enumeration : *schema.enums())
        if (!has_sound_attributes(*enumeration))
            return false;
    if (schema.services())
        for (const reflection::Service *service : *schema.services())
            if (!names.add(service->name()) || !is_sound(*service))
                return false;
    if (schema.fbs_files())
        for (const reflection::SchemaFile *file : *schema.fbs_files())
            if (!file->included_filenames())
                return false;
    return true;
}

// libflatbuffers resolves nested_flatbuffer in one namespace only, and fails at any other. So it is
// kept from seeing the attribute, and is told what fls_schema_open has found.
const char nested_attribute[] = "nested_flatbuffer";

void hide_nested(Bytes &bfbs)
{
    for (const reflection::Object *object : *reflection::GetSchema(bfbs.data())->objects())
        for (const reflection::Field *field : *object->fields())
            for (size_t i = 0; field->attributes() && i < field->attributes()->size(); i++) {
                const char *key = field->attributes()
                                      ->Get(static_cast<flatbuffers::uoffset_t>(i))
                                      ->key()
                                      ->c_str();

                if (strcmp(key, nested_attribute) == 0)
                    bfbs[static_cast<size_t>(reinterpret_cast<const uint8_t *>(key) -
                                             bfbs.data())] = 'N';
            }
}

void restore_nested(flatbuffers::Parser &parser, const fls_object &object)
{
    flatbuffers::StructDef *definition = parser.structs_.Lookup(object.name);

    for (size_t i = 0; definition && i < object.field_count; i++) {
        const fls_field &field = object.fields[i];
        flatbuffers::FieldDef *to = definition->fields.Lookup(field.name);

        if (to && field.nested)
            to->nested_flatbuffer = parser.structs_.Lookup(field.nested->name);
    }
}

// Whether a schema may be given to libflatbuffers.
bool is_loadable(const Bytes &bfbs)
{
    flatbuffers::Verifier verifier(bfbs.data(), bfbs.size());
    fls_schema *schema = nullptr;

    fls_status status = fls_schema_open(bfbs.data(), bfbs.size(), &schema, nullptr);
    if (status == FLS_NO_MEMORY)
        throw std::bad_alloc();
    if (status != FLS_OK)
        return false;
    fls_schema_close(schema);
    return reflection::VerifySchemaBuffer(verifier) &&
           is_sound(*reflection::GetSchema(bfbs.data()));
}

std::unique_ptr<flatbuffers::Parser> load(const Bytes &bfbs, const fls_schema *schema)
{
    auto parser = std::make_unique<flatbuffers::Parser>(parser_options());

    if (!parser->Deserialize(bfbs.data(), bfbs.size()))
        return nullptr;
    for (size_t i = 0; i < fls_schema_object_count(schema); i++)
        restore_nested(*parser, *fls_schema_object(schema, i));
    // As bytes, in both directions: a FlexBuffer in a message has not been verified.
    for (flatbuffers::StructDef *object : parser->structs_.vec)
        for (flatbuffers::FieldDef *field : object->fields.vec)
            field->flexbuffer = false;
    return parser;
}

// The identifier belongs to messages of the schema's own root.
void apply_root(fls_json &json)
{
    const fls_object *own = fls_schema_root(json.schema.get());

    json.verifier.reset();
    json.parser->SetRootType(json.root.c_str());
    json.parser->file_identifier_ =
        own && json.root == own->name ? fls_schema_identifier(json.schema.get()) : "";
}

// Loads the schema, which was checked, and sets the root that was chosen.
fls_status load_parser(fls_json &json, fls_error *error)
{
    json.parser = load(json.loadable, json.schema.get());
    if (!json.parser)
        return refuse(error, FLS_INVALID_FLATBUFFER,
                      "libflatbuffers does not accept this binary schema");
    if (!json.root.empty())
        apply_root(json);
    return FLS_OK;
}

// The bytes without a size prefix, whose presence fls_schema_open has confirmed.
Bytes without_prefix(const uint8_t *bytes, size_t count)
{
    size_t prefix = count >= 12 && memcmp(bytes + 4, "BFBS", 4) != 0 ? 4 : 0;

    return Bytes(bytes + prefix, bytes + count);
}

fls_status open_bfbs(const void *bfbs, size_t bytes, fls_json **json, fls_error *error)
{
    auto made = std::make_unique<fls_json>();
    fls_schema *schema = nullptr;
    fls_status status = fls_schema_open(bfbs, bytes, &schema, error);

    if (status != FLS_OK)
        return status;
    made->schema.reset(schema);
    made->bfbs = without_prefix(static_cast<const uint8_t *>(bfbs), bytes);
    made->loadable = made->bfbs;
    if (is_loadable(made->loadable))
        hide_nested(made->loadable);
    // Again: in a hostile schema an attribute's name may be part of something else.
    if (!is_loadable(made->loadable))
        return refuse(error, FLS_INVALID_FLATBUFFER,
                      "libflatbuffers does not accept this binary schema");
    status = load_parser(*made, error);
    if (status == FLS_OK)
        *json = made.release();
    return status;
}

// ---- parsing an .fbs ---------------------------------------------------------------------------

// The binary schema has no notion of where an attribute stood: nested tables get their full names.
void name_nested_in_full(flatbuffers::Parser &parser)
{
    for (flatbuffers::StructDef *object : parser.structs_.vec) {
        for (flatbuffers::FieldDef *field : object->fields.vec) {
            const flatbuffers::StructDef *nested = field->nested_flatbuffer;
            flatbuffers::Value *value = field->attributes.Lookup("nested_flatbuffer");

            if (nested && value)
                value->constant = nested->defined_namespace->GetFullyQualifiedName(nested->name);
        }
    }
}

std::string folder_of(const std::string &path)
{
    size_t slash = path.find_last_of('/');

    return slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
}

fls_status open_fbs(const std::string &text, const char *path, fls_json **json, fls_error *error)
{
    flatbuffers::Parser parser(parser_options());
    std::string folder = path ? folder_of(path) : ".";
    const char *folders[] = {folder.c_str(), ".", nullptr};

    if (text.find('\0') != std::string::npos)
        return refuse(error, FLS_INVALID_ARGUMENT, "the schema has a zero byte in it");
    if (!parser.Parse(text.c_str(), folders, path))
        return refuse_text(error, parser.error_);
    name_nested_in_full(parser);
    parser.Serialize();
    return open_bfbs(parser.builder_.GetBufferPointer(), parser.builder_.GetSize(), json, error);
}

fls_status read_file(const char *path, std::string &text, fls_error *error)
{
    File file(fopen(path, "rbe"));
    char block[1 << 14];
    size_t count;

    if (!file)
        return refuse_system(error, "fopen", errno, path);
    errno = 0;
    while ((count = fread(block, 1, sizeof block, file.get())) > 0) {
        text.append(block, count);
        if (text.size() > file_bytes_max)
            return refuse_system(error, "fread", EFBIG, path);
    }
    if (ferror(file.get()))
        return refuse_system(error, "fread", errno ? errno : EIO, path);
    return FLS_OK;
}

bool is_binary(const std::string &text)
{
    return text.size() >= 12 &&
           (text.compare(4, 4, "BFBS") == 0 || text.compare(8, 4, "BFBS") == 0);
}

fls_status open_file(const char *path, fls_json **json, fls_error *error)
{
    std::string text;
    fls_status status = read_file(path, text, error);

    if (status != FLS_OK)
        return status;
    if (is_binary(text))
        return open_bfbs(text.data(), text.size(), json, error);
    return open_fbs(text, path, json, error);
}

// ---- messages ----------------------------------------------------------------------------------

void set_options(flatbuffers::IDLOptions &to, const fls_json_options *options)
{
    static const fls_json_options defaults = {};
    const fls_json_options &from = options ? *options : defaults;

    to.indent_step = from.pretty ? 2 : -1;
    to.output_default_scalars_in_json = from.defaults != 0;
    to.strict_json = !from.unquoted_names;
    to.allow_non_utf8 = from.any_bytes != 0;
    to.natural_utf8 = true;
}

// libflatbuffers reads numbers in place, so they must be aligned as memory too: from the message's
// start, or from four bytes before it.
const void *align(fls_json &json, const void *message, size_t bytes, bool from_prefix)
{
    const size_t lead = from_prefix ? 4 : 0;

    if (reinterpret_cast<uintptr_t>(message) % alignof(uint64_t) == lead)
        return message;
    json.aligned.resize((bytes + lead) / sizeof(uint64_t) + 1);
    return memcpy(reinterpret_cast<uint8_t *>(json.aligned.data()) + lead, message, bytes);
}

// Everything by the schema, to any depth and number, and aligned as it may be.
fls_status verify(fls_json &json, const void *message, size_t bytes, fls_error *error)
{
    fls_verifier_options options = {};
    fls_verifier *opened = nullptr;

    if (!json.verifier) {
        options.limits = {UINT32_MAX, UINT32_MAX, UINT64_MAX, FLS_ALIGNMENT_IGNORED};
        options.strict = 1;
        fls_status status = fls_verifier_open(
            json.schema.get(), fls_schema_find_object(json.schema.get(), json.root.c_str()),
            &options, &opened, error);
        if (status != FLS_OK)
            return status;
        json.verifier.reset(opened);
    }
    return fls_verifier_check(json.verifier.get(), message, bytes, error);
}

fls_status print(fls_json &json, const void *message, size_t bytes, const fls_json_options *options,
                 fls_error *error)
{
    if (!json.parser->root_struct_def_)
        return refuse(error, FLS_INVALID_ARGUMENT, "the schema has no root table: name one");
    fls_status status = verify(json, message, bytes, error);
    if (status != FLS_OK)
        return status;
    set_options(json.parser->opts, options);
    json.text.clear();
    if (!flatbuffers::GenerateText(
            *json.parser, align(json, message, bytes, options && options->from_prefix), &json.text))
        return refuse(error, FLS_INVALID_FLATBUFFER,
                      "cannot be said in JSON: a string is not UTF-8, or a union holds a member "
                      "that the schema does not have");
    while (!json.text.empty() && json.text.back() == '\n')
        json.text.pop_back();
    return FLS_OK;
}

fls_status parse(fls_json &json, const char *text, size_t length, fls_error *error)
{
    if (!json.parser->root_struct_def_)
        return refuse(error, FLS_INVALID_ARGUMENT, "the schema has no root table: name one");
    if (memchr(text, 0, length))
        return refuse(error, FLS_INVALID_ARGUMENT, "the text has a zero byte in it");
    json.text.assign(text, length);
    set_options(json.parser->opts, nullptr);
    json.parser->opts.strict_json = false;
    if (json.parser->ParseJson(json.text.c_str()))
        return FLS_OK;
    fls_status status = refuse_text(error, json.parser->error_);
    // A parse that fails half way leaves its work behind in the parser.
    fls_error again;
    fls_status loaded = load_parser(json, &again);
    return loaded == FLS_OK ? status : refuse(error, loaded, again.reason);
}

fls_status set_root(fls_json &json, const char *name, fls_error *error)
{
    const fls_object *root = fls_schema_find_object(json.schema.get(), name);

    if (!root || root->is_struct)
        return refuse(error, FLS_INVALID_ARGUMENT,
                      std::string("the schema has no table of the name ") + name +
                          ", or more than one");
    json.root = root->name;
    apply_root(json);
    return FLS_OK;
}

// libflatbuffers prints numbers by streams, which swallow std::bad_alloc: a default is then cut,
// and nobody is told. So a handler notes, for each thread, that operator new had no memory; it does
// what would have been done without it.
class Shortage
{
  public:
    Shortage()
    {
        std::lock_guard<std::mutex> lock(mutex);
        if (watched++ == 0)
            before = std::set_new_handler(note);
        met = false;
    }

    ~Shortage()
    {
        std::lock_guard<std::mutex> lock(mutex);
        if (--watched == 0 && std::get_new_handler() == note)
            std::set_new_handler(before.load());
    }

    Shortage(const Shortage &) = delete;
    Shortage &operator=(const Shortage &) = delete;

    bool is_met() const
    {
        return met;
    }

  private:
    static void note()
    {
        met = true;
        std::new_handler other = before.load();
        if (!other)
            throw std::bad_alloc();
        other();
        met = false; // it has found some, and there is another try
    }

    static std::mutex mutex;
    static unsigned watched;
    static std::atomic<std::new_handler> before;
    static thread_local bool met;
};

std::mutex Shortage::mutex;
unsigned Shortage::watched;
std::atomic<std::new_handler> Shortage::before;
thread_local bool Shortage::met;

template <typename Call> fls_status guarded(fls_error *error, Call call) noexcept
{
    try {
        Shortage shortage;
        fls_status status = call();
        return shortage.is_met() ? out_of_memory(error) : status;
    } catch (...) {
        return out_of_memory(error);
    }
}

// Sets *json, if all went well.
template <typename Open>
fls_status open_guarded(fls_json **json, fls_error *error, Open open) noexcept
{
    fls_json *made = nullptr;
    fls_status status = guarded(error, [&] { return open(&made); });

    if (status == FLS_OK)
        *json = made;
    else
        fls_json_close(made);
    return status;
}

} // namespace

fls_status fls_json_open_bfbs(const void *bfbs, size_t bytes, fls_json **json, fls_error *error)
{
    return open_guarded(json, error,
                        [&](fls_json **made) { return open_bfbs(bfbs, bytes, made, error); });
}

fls_status fls_json_open_fbs(const char *text, size_t length, const char *path, fls_json **json,
                             fls_error *error)
{
    if (!text && length > 0)
        return refuse_null(error);
    return open_guarded(json, error, [&](fls_json **made) {
        return open_fbs(std::string(text, length), path, made, error);
    });
}

fls_status fls_json_open_file(const char *path, fls_json **json, fls_error *error)
{
    return open_guarded(json, error, [&](fls_json **made) { return open_file(path, made, error); });
}

void fls_json_close(fls_json *json)
{
    delete json;
}

const void *fls_json_bfbs(const fls_json *json, size_t *bytes)
{
    *bytes = json->bfbs.size();
    return json->bfbs.data();
}

fls_status fls_json_set_root(fls_json *json, const char *name, fls_error *error)
{
    return guarded(error, [&] { return set_root(*json, name, error); });
}

fls_status fls_json_print(fls_json *json, const void *message, size_t bytes,
                          const fls_json_options *options, const char **text, size_t *length,
                          fls_error *error)
{
    if (!message && bytes > 0)
        return refuse_null(error);
    return guarded(error, [&] {
        fls_status status = print(*json, message, bytes, options, error);

        if (status == FLS_OK) {
            *text = json->text.c_str();
            *length = json->text.size();
        }
        return status;
    });
}

fls_status fls_json_parse(fls_json *json, const char *text, size_t length, const void **message,
                          size_t *bytes, fls_error *error)
{
    if (!text && length > 0)
        return refuse_null(error);
    return guarded(error, [&] {
        fls_status status = parse(*json, text, length, error);

        if (status == FLS_OK) {
            *message = json->parser->builder_.GetBufferPointer();
            *bytes = json->parser->builder_.GetSize();
        }
        return status;
    });
}
