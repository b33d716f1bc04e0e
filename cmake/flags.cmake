# How every source of the project is compiled. gemel_compile(target) applies it.
set(CMAKE_C_STANDARD 11)
set(CMAKE_C_EXTENSIONS ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
# CMake's own -O3 -DNDEBUG for releases stays, unless somebody asks for other flags on its command line (tools/matrix.sh).
set(GEMEL_RELEASE_FLAGS "-O3 -DNDEBUG")
if(CMAKE_C_FLAGS_DEBUG STREQUAL "-g")
  set(CMAKE_C_FLAGS_DEBUG "-O1 -g -fno-omit-frame-pointer")
endif()

# The numerics contract is held by fp.h and by explicit fma; these flags say the same to the whole translation unit
# (-ffp-contract) or lift what stands in the way of vectors and changes no value (the others).
set(GEMEL_FLAGS -Wall -Wextra -fno-semantic-interposition -ffp-contract=off -fno-trapping-math -fno-math-errno)
# Vectors that are filled lane by lane are unrolled at -O3 only; below it, and in instrumented code, GCC takes them for
# uninitialised.
string(TOUPPER "${CMAKE_BUILD_TYPE}" build_type)
if(CMAKE_C_COMPILER_ID STREQUAL "GNU" AND (GEMEL_SANITIZE OR NOT CMAKE_C_FLAGS_${build_type} MATCHES "-O3"))
  list(APPEND GEMEL_FLAGS -Wno-maybe-uninitialized)
endif()
if(CMAKE_C_COMPILER_ID STREQUAL "GNU" AND GEMEL_SANITIZE) # ranges that it knows in plain code are lost in instrumented code
  list(APPEND GEMEL_FLAGS -Wno-format-truncation)
endif()
# Clang says so where a loop stays scalar that was asked to be a vector: of interest in optimised code only.
if(CMAKE_C_COMPILER_ID MATCHES "Clang" AND (GEMEL_SANITIZE OR GEMEL_FUZZ OR CMAKE_BUILD_TYPE STREQUAL "Debug"))
  list(APPEND GEMEL_FLAGS -Wno-pass-failed)
endif()
if(GEMEL_WERROR)
  list(APPEND GEMEL_FLAGS -Werror)
endif()
if(GEMEL_SANITIZE)
  add_compile_options(-fsanitize=${GEMEL_SANITIZE} -g -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${GEMEL_SANITIZE})
  if(GEMEL_SANITIZE MATCHES "undefined")
    add_compile_options(-fno-sanitize-recover=undefined)
  endif()
endif()

if(GEMEL_FUZZ)
  if(NOT CMAKE_C_COMPILER_ID MATCHES "Clang")
    message(FATAL_ERROR "fuzz targets need Clang: configure with -DCMAKE_C_COMPILER=clang")
  endif()
  add_compile_options(-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined -g)
  add_link_options(-fsanitize=address,undefined)
endif()

function(gemel_compile target)
  target_compile_options(${target} PRIVATE ${GEMEL_FLAGS})
  target_compile_definitions(${target} PRIVATE _GNU_SOURCE)
endfunction()
